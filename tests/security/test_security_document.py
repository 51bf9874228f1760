"""docs/security.md names the tests behind its lines; they exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)
ROWS = [line for line in TEXT.splitlines() if line.startswith("| ") and "---" not in line]


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda part: part)
def test_it_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert (name in functions) if name else any(f.startswith("test_") for f in functions)


def test_every_line_of_the_tables_names_a_test() -> None:
    rows = [row for row in ROWS if not row.startswith("| what")]
    assert len(rows) >= 20
    assert [row for row in rows if "`tests/" not in row] == []
