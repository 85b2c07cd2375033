"""pytest options of the conformance suite: which backends, how many programs.

Registered as entry point ``pytest11``, so it is loaded into every pytest run of every project in
whose environment neurohw is installed. It therefore imports nothing of ours at load, and an option
name that another plugin has taken is given up silently (``--neurohw-...`` always works).
"""

from __future__ import annotations

import pytest

__all__ = ["PROFILES"]

PROFILES = {"quick": 10, "ci": 40, "thorough": 1000}

_OPTIONS = {
    "backend": dict(
        action="append", default=[], metavar="NAME",
        help="backend to put through neurohw.testing: a registered name or module:factory; "
        "repeatable, or a comma list (default: reference)",
    ),
    "programs": dict(
        type=int, default=None, metavar="N", help="random programs per conformance test",
    ),
    "profile": dict(
        default="ci", choices=sorted(PROFILES),
        help="size of the conformance suite: "
        + ", ".join(f"{k} = {v} programs" for k, v in PROFILES.items()),
    ),
}  # fmt: skip


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("neurohw", "neurohw conformance suite")
    for name, settings in _OPTIONS.items():
        settings = {"dest": f"neurohw_{name}", **settings}
        try:
            group.addoption(f"--neurohw-{name}", f"--{name}", **settings)
        except ValueError:
            group.addoption(f"--neurohw-{name}", **settings)


def _backends(config: pytest.Config) -> list[str]:
    given = config.getoption("neurohw_backend") or ["reference"]
    return [name for item in given for name in item.split(",") if name]


def _programs(config: pytest.Config) -> int:
    given = config.getoption("neurohw_programs")
    return given if given is not None else PROFILES[str(config.getoption("neurohw_profile"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give ``conformance_backend`` one value per --backend."""
    if "conformance_backend" in metafunc.fixturenames:
        metafunc.parametrize(
            "conformance_backend", _backends(metafunc.config), indirect=True, scope="session"
        )


@pytest.fixture(scope="session")
def conformance_backend(request: pytest.FixtureRequest):
    """The backend under test."""
    from neurohw.testing.cases import resolve

    return resolve(request.param)


@pytest.fixture(scope="session")
def conformance_programs(request: pytest.FixtureRequest) -> int:
    """How many random programs each test may use."""
    return _programs(request.config)
