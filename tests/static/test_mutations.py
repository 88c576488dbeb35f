"""The list of `make mutations`, which runs for half an hour: that it is up to date."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import mutations
from project import ROOT


def test_each_place_is_there_once():
    for mutation in mutations.MUTATIONS:
        assert (ROOT / mutation.path).read_text().count(mutation.old) == 1, mutation.name
        assert mutation.new != mutation.old, mutation.name


def test_the_document_has_the_table(capsys):
    mutations.table()
    assert capsys.readouterr().out in (ROOT / "docs" / "TESTING.md").read_text()
