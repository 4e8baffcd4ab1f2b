"""Every setting in one typed place: the environment (``STUDIO_*``), ``.env`` and the command line, in rising order."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"


class Settings(BaseSettings):
    """The studio. Each option can also be set as STUDIO_NAME in the environment or in a file named .env."""

    model_config = SettingsConfigDict(
        env_prefix="STUDIO_", env_file=".env", extra="ignore", cli_kebab_case=True, cli_implicit_flags=True
    )

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for everybody on the network")
    port: int = Field(7860, ge=0, le=65535, description="port to listen on")
    data: Path = Field(Path("data"), description="folder for everything that is written: jobs, library, models")
    auth: bool = Field(False, description="people sign in; needed to listen on more than this machine")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where models run")
    threads: int = Field(0, ge=0, le=256, description="torch threads on a CPU; 0: all cores but one")
    engine: Literal["process", "inline"] = Field("process", description="host of the engine; inline is for tests")
    running: int = Field(4, ge=1, le=64, description="jobs that take turns on the device at the same time")
    waiting: int = Field(200, ge=1, le=10_000, description="jobs that may wait in the queue, all people together")
    waiting_each: int = Field(20, ge=1, le=1000, description="jobs one person may have waiting")
    training_share: float = Field(0.2, ge=0, le=1, description="share of the device that training keeps")
    memory_share: float = Field(0.8, gt=0, le=1, description="share of the device's memory that models may fill")
    training_snapshot_mb: int = Field(256, ge=0, le=100_000, description="snapshots that a training keeps, in MB")
    upload_mb: int = Field(50, ge=1, le=2000, description="largest file that may be uploaded, in MB")
    cookie_secure: bool = Field(False, description="send the cookie over HTTPS only; set it behind a TLS proxy")
    root_path: str = Field("", description="path prefix when served behind a proxy")

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.data.resolve() / 'studio.db'}"

    @property
    def temporary(self) -> Path:
        """Gradio's cache of uploads and answers; swept by age."""
        return self.data.resolve() / "temporary"
