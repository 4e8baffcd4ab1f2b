"""Every setting in one typed place: the environment (``STUDIO_*``), ``.env`` and the command line, in rising order."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.errors import StudioError

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"


class RoleCaps(BaseModel):
    """What one person of a role may have. 0 is no limit."""

    model_config = ConfigDict(extra="forbid")

    waiting: int = Field(default=0, ge=0, le=10_000, description="jobs waiting")
    running: int = Field(default=0, ge=0, le=64, description="jobs running at the same time; further ones wait")
    stored_mb: int = Field(default=0, ge=0, le=100_000_000, description="megabytes in the library and of uploads")
    device_minutes: int = Field(default=0, ge=0, le=1440 * 64, description="device minutes in 24 hours")


class GuestCaps(RoleCaps):
    waiting: int = Field(default=2, ge=0, le=10_000, description="jobs a guest may have waiting; 0: no limit")
    running: int = Field(default=1, ge=0, le=64, description="jobs of a guest that run at the same time; 0: no limit")
    stored_mb: int = Field(default=500, ge=0, le=100_000_000, description="megabytes a guest may keep; 0: no limit")
    device_minutes: int = Field(
        default=30, ge=0, le=1440 * 64, description="device minutes a day for a guest; 0: no limit"
    )


class MemberCaps(RoleCaps):
    waiting: int = Field(default=10, ge=0, le=10_000, description="jobs a member may have waiting; 0: no limit")
    running: int = Field(default=3, ge=0, le=64, description="jobs of a member that run at the same time; 0: no limit")
    stored_mb: int = Field(default=20_000, ge=0, le=100_000_000, description="megabytes a member may keep; 0: no limit")
    device_minutes: int = Field(
        default=240, ge=0, le=1440 * 64, description="device minutes a day for a member; 0: no limit"
    )


class Caps(BaseModel):
    """By role. An administrator of the running studio may change them; what they choose is kept."""

    guest: GuestCaps = GuestCaps()
    member: MemberCaps = MemberCaps()
    administrator: RoleCaps = RoleCaps()


class Moderated(BaseModel):
    """Whose wishes the rule file and the classifiers are asked about. Without accounts everybody administers."""

    guest: bool = Field(default=True, description="prompts and pictures of guests are moderated")
    member: bool = Field(default=False, description="prompts and pictures of members are moderated")
    administrator: bool = Field(default=False, description="prompts and pictures of administrators are moderated")


class Settings(BaseSettings):
    """The studio. Each option can also be set as STUDIO_NAME in the environment or in a file named .env."""

    model_config = SettingsConfigDict(
        env_prefix="STUDIO_",
        env_file=".env",
        env_nested_delimiter="__",
        extra="ignore",
        cli_kebab_case=True,
        cli_implicit_flags=True,
    )

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0, for the network, needs --auth")
    port: int = Field(7860, ge=0, le=65535, description="port to listen on")
    data: Path = Field(Path("data"), description="folder for everything that is written: jobs, library, models")
    database: str = Field(
        "", description="postgresql+psycopg://NAME:PASSWORD@HOST/DATABASE; empty: a file in the data folder"
    )
    storage: str = Field(
        "", description="where several machines share files: a folder, or s3://BUCKET/PREFIX; empty: the data folder"
    )
    cache_mb: int = Field(
        20_000, ge=100, le=100_000_000, description="copies of shared files that this machine keeps, in MB"
    )
    host_names: str = Field(
        "", description="further names to answer to without accounts, such as a proxy's: atelier.lan,box.example"
    )
    auth: bool = Field(False, description="people sign in; needed to listen on more than this machine")
    auth_header: str = Field("", description="header in which a proxy says who signed in there; empty: none")
    auth_proxies: str = Field("127.0.0.1,::1", description="addresses of proxies whose headers are believed")
    session_days: int = Field(30, ge=1, le=365, description="days that a browser stays signed in")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where models run")
    devices: int = Field(
        0, ge=0, le=64, description="devices of this machine, a worker process each; 0: every CUDA GPU, or one CPU"
    )
    cluster: str = Field(
        "",
        description="auto, or HOST:PORT of a Ray cluster's head: models run on its GPUs; needs --database on "
        "PostgreSQL, and --storage or a --data that all its machines see. This machine joins it first: ray start",
    )
    cluster_devices: int = Field(
        0,
        ge=0,
        le=10_000,
        description="GPUs up to which Ray's autoscaler is asked for more while jobs wait; 0: the cluster is as it is",
    )
    cluster_least: int = Field(
        1, ge=0, le=10_000, description="GPUs that are kept also while nothing waits, where --cluster-devices is set"
    )
    cluster_idle: float = Field(
        300, ge=1, le=86_400, description="seconds without work after which a GPU beyond those is given back"
    )
    threads: int = Field(
        0, ge=0, le=256, description="torch threads on a CPU; 0: all cores but one, shared by the devices"
    )
    engine: Literal["process", "inline"] = Field("process", description="host of the engine; inline is for tests")
    running: int = Field(8, ge=1, le=64, description="jobs that take turns on a device at the same time")
    waiting: int = Field(200, ge=1, le=10_000, description="jobs that may wait in the queue, all people together")
    waiting_each: int = Field(20, ge=1, le=1000, description="jobs one person may have waiting")
    training_share: float = Field(0.15, ge=0, le=1, description="share of the device that training keeps")
    loaded_credit: float = Field(
        10, ge=0, le=600, description="device seconds that a job lets others pass whose model is loaded already"
    )
    hang_seconds: int = Field(
        300, ge=0, le=86_400, description="a worker without a sign of life for so long is started anew; 0: never"
    )
    caps: Caps = Field(Caps(), description="what guests, members and administrators may have at a time")
    memory_share: float = Field(0.8, gt=0, le=1, description="share of the device's memory that models may fill")
    image_offload: Literal["none", "parts", "layers"] = Field(
        "none",
        description="on a GPU, what of a picture model is in its memory. none: all of it, fastest; parts: the part "
        "that computes, for some seconds more a picture; layers: the layer that does, least memory and several times "
        "as slow. Nothing on a CPU, which has nowhere else to put weights",
    )
    image_compile: bool = Field(
        False,
        description="on a GPU, compile picture models: the first picture of each takes minutes, later ones are "
        "quicker; nothing on a CPU",
    )
    training_snapshot_mb: int = Field(256, ge=0, le=100_000, description="snapshots that a training keeps, in MB")
    moderation: Moderated = Field(Moderated(), description="whose prompts and pictures are moderated")
    content_credentials: bool = Field(
        False, description="sign what is made (C2PA) with the studio's own key, saying that a model made it"
    )
    keep_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="days after which uploads and jobs' folders that nothing refers to go; 0: never",
    )
    guest_hours: int = Field(
        24, ge=0, le=8760, description="hours after a guest's time is up until what was theirs goes; 0: never"
    )
    upload_mb: int = Field(50, ge=1, le=2000, description="largest file that may be uploaded, in MB")
    cookie_secure: bool = Field(False, description="send the cookie over HTTPS only; set it behind a TLS proxy")
    root_path: str = Field("", description="path prefix when served behind a proxy")

    def check_reach(self) -> None:
        """Raises a ``StudioError`` where people nobody knows could come in."""
        if not self.auth and not is_loopback(self.host):
            raise StudioError(
                "host.open",
                "Without accounts the studio listens on this machine only, and --host is {host}: add --auth, and make "
                "the first account with: python -m studio.accounts add NAME --role administrator",
                host=self.host or "empty, which means every address",
            )
        if self.cluster and not self.database.startswith("postgresql"):
            raise StudioError(
                "cluster.database",
                "--cluster needs --database postgresql+psycopg://..., which every machine can reach; --database is "
                "{database}.",
                database=self.database or "empty, which is a file in the data folder",
            )
        if self.auth_header and not self.auth:
            raise StudioError(
                "host.header",
                "--auth-header {header} says who signed in, which needs accounts: add --auth.",
                header=self.auth_header,
            )
        for address in filter(None, map(str.strip, self.auth_proxies.split(","))):
            try:
                ipaddress.ip_network(address, strict=False)
            except ValueError:
                raise StudioError(
                    "host.proxies",
                    "--auth-proxies names addresses or networks, such as 10.0.0.5,10.1.0.0/16; {address} is neither.",
                    address=address,
                ) from None

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.data.resolve() / 'studio.db'}"

    @property
    def alone(self) -> bool:
        """Whether nobody but this process, and a worker that dies with it, is at work on its files."""
        return self.database_url.startswith("sqlite") and not (self.cluster or self.storage)

    @property
    def temporary(self) -> Path:
        """Gradio's cache of uploads and answers; swept by age."""
        return self.data.resolve() / "temporary"


def is_loopback(host: str) -> bool:
    """Whether a name or an address means this very machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
