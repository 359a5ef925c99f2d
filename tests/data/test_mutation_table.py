"""A user's table of mutants is read as it is written, and refused with row and column."""

import pytest

from plait.data.mutation_table import read_mutation_table
from plait.errors import InputError


@pytest.fixture
def table(tmp_path):
    def write(content, name="mutants.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def texts(read):
    return [[str(one) for one in mutant.substitutions] for mutant in read.mutants]


def test_other_columns_are_kept_as_text(table):
    read = read_mutation_table(table('id,mutant,note\n001,A24C,NA\n1e3,D30E:K31R,"a, b"\n'))
    assert texts(read) == [["A24C"], ["D30E", "K31R"]]
    assert read.columns == {"id": ["001", "1e3"], "note": ["NA", "a, b"]}


@pytest.mark.parametrize(
    "content",
    [
        "mutant,x\nA24C,1\n",
        "\ufeffmutant,x\nA24C,1\n",
        "mutant,x\r\nA24C,1\r\n",
        "mutant\tx\nA24C\t1\n",
        "mutant;x\nA24C;1\n",
        "mutant,x\nA24C,1\n\n\n",
        "\nmutant,x\nA24C,1",
        '"mutant","x"\n"A24C","1"\n',
        "mutant,x\nA24C,1\n".encode("utf-16"),
    ],
    ids=["plain", "bom", "windows", "tabs", "semicolons", "blank end", "blank start", "quoted", "utf-16"],
)
def test_the_common_forms_of_a_text_table(table, content):
    read = read_mutation_table(table(content))
    assert texts(read) == [["A24C"]]
    assert read.columns == {"x": ["1"]}


def test_a_comma_may_join_substitutions_inside_a_quoted_cell(table):
    assert texts(read_mutation_table(table('mutant,x\n"A24C,D30E",1\n'))) == [["A24C", "D30E"]]
    assert texts(read_mutation_table(table("mutant\tx\nA24C,D30E\t1\n"))) == [["A24C", "D30E"]]


def test_duplicates_are_kept(table):
    assert len(read_mutation_table(table("mutant\nA24C\nA24C\n")).mutants) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("\n\n", "empty"),
        ("mutant\n", "no rows"),
        ("Mutants,x\nA24C,1\n", "Rename 'Mutants'"),
        ("variant,x\nA24C,1\n", "'variant', 'x'"),
        ("mutant,mutant\nA24C,1\n", "two columns"),
        ("mutant,x\nA24C,1\n,2\n", "row 2 (line 3): empty cell"),
        ("mutant,x\nA24C,1\n\nD30E,2\n", "row 2 (line 3): empty row"),
        ("mutant,x\nA24C,1\n,\n", "row 2 (line 3): empty row"),
        ("mutant,x\nA24C,D30E,1\n", "got 3 cells; expected 2"),
        ("mutant,x\nA24C\n", "got 1 cells; expected 2"),
        ("mutant,x\nA24C,1\nA24B,1\n", "row 2 (line 3): unknown amino acid 'B'"),
        ('mutant,x\n"A24C,1\n', "not a CSV table"),
        (b"PK\x03\x04rest", "Excel"),
        (b"\x1f\x8brest", "gzip"),
        (b"mutant\x00\x01", "binary"),
    ],
)
def test_bad_tables_are_refused_with_the_place(table, content, says):
    path = table(content)
    with pytest.raises(InputError) as caught:
        read_mutation_table(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        read_mutation_table(tmp_path / "nowhere.csv")
