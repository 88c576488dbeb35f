#!/usr/bin/env python3
"""Checks that every test that docs/GUARANTEES.md and docs/THREAT_MODEL.md name is one that `make test` runs, and that
no promise is without a test unless it says so. Compiles the tests if need be, and runs none."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUARANTEES, THREATS = ROOT / "docs" / "GUARANTEES.md", ROOT / "docs" / "THREAT_MODEL.md"
# What the document calls the tests of a package and target.
RUST = {("cognito-profiles", "cognito_profiles"): "lib", ("cognito-profiles-cli", "it"): "cli",
        ("cognito-profiles-tests", "it"): "it", ("cognito-sim", "it"): "sim"}
PREFIXES = (*RUST.values(), "conformance", "stack", "static")
NOT_PROVEN = "**not proven**"


def rust_tests():
    """Every test of Rust that runs: none that is ignored."""
    built = subprocess.run(
        ["cargo", "test", "--workspace", "--lib", "--bins", "--tests", "--locked", "--no-run", "--quiet",
         "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    for artifact in map(json.loads, built.splitlines()):
        if not artifact.get("executable") or not artifact["profile"]["test"]:
            continue
        package = re.search(r"[/#]([\w-]+?)[@#][\d.]+$", artifact["package_id"])[1]
        if package not in {name for name, _ in RUST}:
            package = Path(artifact["manifest_path"]).parent.name
        prefix = RUST.get((package, artifact["target"]["name"].replace("-", "_")))
        if prefix:
            yield from (f"{prefix}::{name}" for name in listed(artifact["executable"]))


def listed(executable):
    def names(*more):
        lines = subprocess.run([executable, "--list", *more], stdout=subprocess.PIPE, check=True, text=True).stdout
        return {line.removesuffix(": test") for line in lines.splitlines() if line.endswith(": test")}

    return names() - names("--ignored")


def properties():
    """The properties of the conformance suites: what a suite defines and calls."""
    folder = ROOT / "tests" / "src" / "conformance"
    everything = "".join(path.read_text() for path in folder.rglob("*.rs"))
    for path in folder.rglob("*.rs"):
        modules = [part for part in path.relative_to(folder).with_suffix("").parts if part != "mod"]
        for name in re.findall(r"pub async fn (\w+)", path.read_text()):
            if len(re.findall(rf"\b{name}\b", everything)) > 1:
                yield "::".join(["conformance", *modules, name])


def python_tests():
    for suite in ("static", "stack"):
        collected = subprocess.run(
            [sys.executable, "-m", "pytest", "--collect-only", "-q", f"tests/{suite}"], cwd=ROOT,
            stdout=subprocess.PIPE, check=True, text=True).stdout
        for line in collected.splitlines():
            found = re.match(rf"tests/{suite}/(\S+?)::(\w+)", line)
            if found:
                yield f"{suite}::{found[2]}" if suite == "stack" else f"{suite}::{found[1]}::{found[2]}"


def named(text):
    """The tests a text names. `…::name` is one beside the one before it. What ends with `::` is no name."""
    last = None
    for name in re.findall(r"`([^`\s]*::[^`\s]*)`", text):
        if name.startswith("…::"):
            name = f"{last.rpartition('::')[0]}::{name.removeprefix('…::')}"
        last = name
        if not name.endswith("::"):
            yield name


def is_there(name, tests):
    if name.endswith("::*"):
        name = name.removesuffix("*")
        return any(test.startswith(name) for test in tests)
    # A property or a module of them, and a test.
    return name in tests or name.startswith("conformance::") and any(test.startswith(f"{name}::") for test in tests)


def unproven(document):
    _, *promises = re.split(r"^## ", document, flags=re.MULTILINE)
    for promise in promises:
        if not re.search(r"`\w+::", promise) and NOT_PROVEN not in promise:
            yield f"{promise.splitlines()[0]}: names no test, and does not say {NOT_PROVEN}"


def unknown(document, tests):
    for name in named(document):
        if name.partition("::")[0] not in PREFIXES:
            yield f"{name}: is no name of a test"
        elif "…" not in name and not is_there(name, tests):
            yield f"{name}: there is no such test, or it does not run"


def main():
    tests = {*rust_tests(), *properties(), *python_tests()}
    found = [f"{GUARANTEES.name}: {complaint}" for complaint in unproven(GUARANTEES.read_text())]
    for document in (GUARANTEES, THREATS):
        found += [f"{document.name}: {complaint}" for complaint in unknown(document.read_text(), tests)]
    for complaint in found:
        print(complaint, file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
