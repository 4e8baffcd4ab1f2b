"""The routes to come in and to leave: sign in, sign out, an invitation's link.

Knows forms and cookies. Each sign-in is a new session; what the browser said before ends with it.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from pipelines.errors import Busy, StudioError
from studio.accounts.person import Person
from studio.entrance.gate import SESSION, SIGN_IN
from studio.entrance.pages import page, safe_next
from studio.locales import language_of, sentence, t
from studio.owners import OWNER_HEADER, owner_of
from studio.services import Studio


def sign_in_routes(studio: Studio) -> APIRouter:
    """All of them, bound to ``studio``."""
    router, ways = APIRouter(), Ways(studio)
    router.get(SIGN_IN)(ways.ask)
    router.post(SIGN_IN)(ways.sign_in)
    router.post("/sign-out")(ways.sign_out)
    router.get("/invitation/{secret}")(ways.invitation)
    router.post("/invitation/{secret}")(ways.accept)
    return router


class Ways:
    """The ways in and out."""

    def __init__(self, studio: Studio) -> None:
        self._accounts = studio.accounts
        self._root = studio.settings.root_path.rstrip("/")
        self._secure = studio.settings.cookie_secure
        self._days = studio.settings.session_days

    def ask(self, request: Request, next: str = "/") -> Response:  # noqa: A002 - what the address calls it
        if request.headers.get(OWNER_HEADER):
            return RedirectResponse(self._root + safe_next(next), 303)
        return self._form(request, next=next)

    def _form(self, request: Request, status: int = 200, next: str = "/", **values: Any) -> Response:  # noqa: A002
        shown = {"name": "", "wrong": "", "said": "", "next": safe_next(next)} | values
        return page(request, self._root, "sign_in", status, **shown)

    async def sign_in(self, request: Request) -> Response:
        form = await fields(request)
        name, onward = form.get("name", ""), form.get("next", "/")
        try:
            person = await run_in_threadpool(
                self._accounts.sign_in, name, form.get("password", ""), address_of(request)
            )
        except StudioError as error:
            status = 429 if isinstance(error, Busy) else 401
            said = sentence(error, language_of(request))
            return self._form(request, status, onward, name=name[:60], wrong=said)
        return await self._begin(request, person, onward)

    async def sign_out(self, request: Request) -> Response:
        if secret := request.cookies.get(SESSION, ""):
            person = self._accounts.sessions.person(secret)
            await run_in_threadpool(self._accounts.sessions.end, secret)
            if person is not None:
                await run_in_threadpool(
                    self._accounts.audit.note,
                    "signout",
                    actor=person.name,
                    account=person.account,
                    address=address_of(request),
                )
        answer = RedirectResponse(self._root + SIGN_IN, 303)
        answer.delete_cookie(SESSION, path="/", secure=self._secure, httponly=True, samesite="lax")
        answer.headers["Clear-Site-Data"] = '"cache"'  # made files are kept by the browser for a year otherwise
        return answer

    def invitation(self, request: Request, secret: str) -> Response:
        return self._invited(request, secret)

    def _invited(self, request: Request, secret: str, status: int = 200, wrong: str = "", name: str = "") -> Response:
        role, minutes = "", 0
        try:
            found = self._accounts.invitations.look(secret)
            role, minutes = found.role, found.guest_minutes
        except StudioError as error:
            status, wrong = 404, sentence(error, language_of(request))
        return page(request, self._root, "invitation", status, role=role, minutes=minutes, wrong=wrong, name=name[:60])

    async def accept(self, request: Request, secret: str) -> Response:
        form = await fields(request)
        try:
            if self._accounts.invitations.look(secret).guest_minutes:
                person = await run_in_threadpool(self._accounts.enter_as_guest, secret, address_of(request))
            else:
                given = (form.get("name", ""), form.get("password", ""), address_of(request))
                person = await run_in_threadpool(self._accounts.accept, secret, *given)
        except StudioError as error:
            said = sentence(error, language_of(request))
            return self._invited(request, secret, 422, said, form.get("name", ""))
        return await self._begin(request, person, "/")

    async def _begin(self, request: Request, person: Person, onward: str) -> Response:
        """A new session; the one this browser had before ends, so that nobody can have planted it."""
        if old := request.cookies.get(SESSION, ""):
            await run_in_threadpool(self._accounts.sessions.end, old)
        agent = request.headers.get("user-agent", "")
        secret = await run_in_threadpool(self._accounts.sessions.begin, person, agent)
        answer = RedirectResponse(self._root + safe_next(onward), 303)
        set_session(answer, secret, self._days, self._secure or request.url.scheme == "https")
        return answer


def set_session(answer: Response, secret: str, days: int, secure: bool) -> None:
    """Hands the browser what it is signed in with."""
    answer.set_cookie(SESSION, secret, days * 86_400, path="/", secure=secure, httponly=True, samesite="lax")


def signed_in(studio: Studio, request: Request) -> Person:
    """Who asks, on a route behind the gate."""
    number = int(owner_of(request)[1:])
    person = studio.accounts.person(number)
    if person is None:  # closed in the moment since the gate looked
        raise HTTPException(401, t("refused.request.signin", language_of(request)))
    return person


async def fields(request: Request) -> dict[str, str]:
    """The text fields of a posted form; files and repetitions are not looked at."""
    async with request.form(max_files=0, max_fields=20) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""
