"""A person's own account: their tokens, where they are signed in, their password. One page, plain forms.

Every act is for whoever asks and nobody else; the gate has said who that is.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipelines.errors import Busy, StudioError
from studio.accounts.person import Person
from studio.entrance.agents import browser_named
from studio.entrance.gate import SIGN_IN
from studio.entrance.pages import page
from studio.entrance.signing import address_of, fields, set_session, signed_in
from studio.locales import language_of, sentence, t
from studio.services import Studio


def account_routes(studio: Studio) -> APIRouter:
    """All of them, bound to ``studio``."""
    router, own = APIRouter(), Own(studio)
    router.get("/account")(own.show)
    router.get("/account/me")(own.me)
    router.post("/account/tokens")(own.make_token)
    router.post("/account/tokens/{token}/take-back")(own.take_back)
    router.post("/account/sign-out-everywhere")(own.sign_out_everywhere)
    router.post("/account/password")(own.change_password)
    return router


class Own:
    """What people do with their own account."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._accounts = studio.accounts
        self._root = studio.settings.root_path.rstrip("/")

    def show(self, request: Request) -> Response:
        return self._page(request, signed_in(self._studio, request))

    def me(self, request: Request) -> dict[str, Any]:
        """For the page's header."""
        person = signed_in(self._studio, request)
        return {"name": person.name, "role": person.role, "ends": person.ends}

    def _page(self, request: Request, person: Person, status: int = 200, **values: str) -> Response:
        shown: dict[str, Any] = {"wrong": "", "said": "", "token": ""} | values
        return page(
            request,
            self._root,
            "account",
            status,
            person=person,
            tokens=self._accounts.sessions.tokens(person.account),
            sessions=self._accounts.sessions.of(person.account),
            named=browser_named,
            has_password=self._accounts.has_password(person.account),
            **shown,
        )

    async def make_token(self, request: Request) -> Response:
        person, form = signed_in(self._studio, request), await fields(request)
        try:
            _check_no_guest(person)
            name = form.get("name", "")
            secret = await run_in_threadpool(self._accounts.sessions.make_token, person.account, name)
        except StudioError as error:
            return self._page(request, person, 422, wrong=sentence(error, language_of(request)))
        self._note("token.made", person, request, name)
        return self._page(request, person, token=secret)

    async def take_back(self, request: Request, token: int) -> Response:
        person = signed_in(self._studio, request)
        try:
            name = await run_in_threadpool(self._accounts.sessions.take_back_token, person.account, token)
        except StudioError as error:
            return self._page(request, person, 404, wrong=sentence(error, language_of(request)))
        self._note("token.back", person, request, name)
        return RedirectResponse(f"{self._root}/account", 303)

    async def sign_out_everywhere(self, request: Request) -> Response:
        person = signed_in(self._studio, request)
        await run_in_threadpool(self._accounts.sessions.end_all, person.account)
        self._note("signout.everywhere", person, request)
        return RedirectResponse(self._root + SIGN_IN, 303)

    async def change_password(self, request: Request) -> Response:
        """Ends every session and token; this browser gets a new session."""
        person, form = signed_in(self._studio, request), await fields(request)
        language = language_of(request)
        try:
            given = (form.get("old", ""), form.get("new", ""), address_of(request))
            await run_in_threadpool(self._accounts.change_password, person, *given)
        except StudioError as error:
            status = 429 if isinstance(error, Busy) else 422
            return self._page(request, person, status, wrong=sentence(error, language))
        agent = request.headers.get("user-agent", "")
        secret = await run_in_threadpool(self._accounts.sessions.begin, person, agent)
        answer = self._page(request, person, said=t("entrance.password.changed", language))
        settings = self._studio.settings
        set_session(answer, secret, settings.session_days, settings.cookie_secure or request.url.scheme == "https")
        return answer

    def _note(self, what: str, person: Person, request: Request, subject: str = "") -> None:
        self._accounts.audit.note(
            what, actor=person.name, account=person.account, subject=subject, address=address_of(request)
        )


def _check_no_guest(person: Person) -> None:
    if person.role == "guest":
        raise StudioError("token.guest", "Guests have no tokens; ask for an account of your own.")
