"""The shape of the house: imports run one way, the web process stays light, errors are caught by name."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: from the ground up; a module may import from its own floor and from those below it
FLOORS = [
    ("pipelines",),
    ("studio.settings", "studio.store"),
    ("studio.accounts",),
    ("studio.library", "studio.moderation"),
    ("studio.engine",),
    ("studio.services", "studio.sweeping", "studio.live"),
    ("studio.locales", "studio.owners", "studio.lean", "studio.loras", "studio.closing", "studio.models"),
    ("studio.desk",),
    ("studio.answers", "studio.serving", "studio.theme", "studio.uploads", "studio.widgets"),
    (
        *("studio.entrance", "studio.tabs", "studio.api", "studio.routes", "studio.runs", "studio.sweeps"),
        *("studio.shelf", "studio.health"),
    ),
    ("studio.web",),
    ("app",),
]


def modules(*folders: str) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are written out in full"
            yield node.module


def floor(module: str) -> int | None:
    for number, names in enumerate(FLOORS):
        if any(module == name or module.startswith(name + ".") for name in names):
            return number
    return None


def test_every_module_has_a_floor() -> None:
    homeless = [name for name, _ in modules("pipelines", "studio") if floor(name) is None and name != "studio"]
    assert homeless == []


def test_imports_run_downwards_only() -> None:
    upwards = []
    for name, path in [*modules("pipelines", "studio"), ("app", ROOT / "app.py")]:
        mine = floor(name)
        for target in imports(path):
            theirs = floor(target)
            if theirs is not None and mine is not None and theirs > mine:
                upwards.append(f"{name} -> {target}")
    assert upwards == []


def test_pipelines_know_no_page_no_database_and_no_web() -> None:
    barred = ("gradio", "sqlalchemy", "alembic", "fastapi", "starlette", "uvicorn", "studio")
    found = [
        (n, target) for n, path in modules("pipelines") for target in imports(path) if target.split(".")[0] in barred
    ]
    assert found == []


def test_the_whole_page_is_built_without_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.settings import Settings; from studio.web import build_app; "
        f"app = build_app(Settings(_env_file=None, data=Path({str(tmp_path)!r}))); app.state.studio.close(); "
        "print([name for name in ('torch', 'transformers', 'diffusers') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"


def test_every_module_says_what_it_is() -> None:
    silent = [
        name
        for name, path in modules("pipelines", "studio", "benchmarks", "tests")
        if path.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_nothing_is_caught_without_a_name_and_nothing_pickled_is_read() -> None:
    found = []
    for name, path in modules("pipelines", "studio"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                found.append(f"{name}:{node.lineno} except")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("torch.load", "pickle.load", "pickle.loads"):
                found.append(f"{name}:{node.lineno} {ast.unparse(node.func)}")
    assert found == []


def test_the_tree_in_the_readme_is_the_tree_on_disk() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    described, top = set(), ""
    for line in text.split("<!-- tree -->")[1].split("<!-- /tree -->")[0].splitlines():
        name = line.split()[0] if line.strip() else ""
        if name.endswith("/"):
            top = name if line.startswith("    " + name) else top
            described.add(name if name == top else top + name)
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = set()
    for parts in (Path(file).parts for file in tracked.split()):
        if len(parts) > 1 and not parts[0].startswith("."):
            there.add(f"{parts[0]}/")
        if len(parts) > 2 and parts[0] in ("pipelines", "studio", "assets", "tests"):
            there.add(f"{parts[0]}/{parts[1]}/")
    assert described == there
