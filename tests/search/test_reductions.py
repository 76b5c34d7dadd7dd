"""Sums, products and solutions: right, apart by runs, and the only ones between ask and tell."""

import ast
from pathlib import Path

import pytest
import torch

import invariscope.search
from invariscope.search import reductions

ROOM = Path(invariscope.search.__file__).parent
# What may answer by where its numbers lie in memory; `pow` of plain numbers is `math.pow`.
FORBIDDEN = {
    *("einsum", "matmul", "mm", "bmm", "baddbmm", "addmm", "addmv", "mv", "dot", "vdot", "inner"),
    *("tensordot", "linear", "bilinear", "chain_matmul", "multi_dot", "outer", "cdist", "lstsq"),
    *("solve", "solve_triangular", "triangular_solve", "cholesky_solve", "lu_solve", "inv", "pinv"),
    *("sigmoid", "logsigmoid", "silu", "gelu", "softmax", "softplus", "pow", "float_power"),
}

# Twin search computes a run alone on the CPU, from tensors of its own that torch places: nothing
# of theirs depends on which runs stand beside (`test_twin_search.py` holds that to the bit).
ALONE = {"gp.py", "twin.py", "twin_goals.py"}


def _name(node):
    """What an expression calls or reads, where that is forbidden."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult | ast.Pow):
        return "@" if isinstance(node.op, ast.MatMult) else "**"
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    of_math = isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "math"
    return name if name in FORBIDDEN and not of_math else None


def forbidden(source):
    return [found for node in ast.walk(ast.parse(source)) if (found := _name(node))]


def own(seed, *shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    "source", ["a @ b", "a @= b", "x ** 2", "torch.einsum('i,i', a, b)", "x.pow(2)", "pow(x, 2)"]
)
def test_what_depends_on_memory_is_seen(source):
    assert len(forbidden(source)) == 1


@pytest.mark.parametrize(
    "source", ["math.pow(a, b)", "f(**kept)", "@final\nclass A: pass", "a * b"]
)
def test_what_does_not_is_let_through(source):
    assert forbidden(source) == []


def test_only_reductions_use_what_depends_on_memory():
    files = [path for path in ROOM.rglob("*.py") if path.name not in {"reductions.py", *ALONE}]
    assert len(files) > 20
    found = {path.name: names for path in files if (names := forbidden(path.read_text()))}
    assert found == {}


@pytest.mark.parametrize("offset", range(9))
def test_values_are_where_torch_would_put_them(offset):
    room = own(1, 40)
    values = room[offset:]
    here = reductions.aligned(values)
    assert here.data_ptr() % 64 == 0
    assert torch.equal(here, values)
    assert (here.data_ptr() == values.data_ptr()) == (offset in {0, 8})


@pytest.mark.parametrize("n", [1, 2, 7, 30, 255, 256])
def test_sums_products_and_solutions_are_right_and_apart(n):
    rows, weights = own(2, 5, 3, n), own(3, 5, 3)
    root = own(4, n, n).tril() / n + torch.eye(n, dtype=torch.float64)
    summed = reductions.weighted_sum(weights, rows)
    product = reductions.products(rows, root.T)
    solved = reductions.lower_solutions(root, rows)
    assert torch.allclose(summed, torch.einsum("rs,rsn->rn", weights, rows))
    assert torch.allclose(product, rows @ root.T)
    assert torch.allclose(reductions.products(solved, root.T), rows)
    for run in range(5):
        alone = rows[run : run + 1].clone()
        assert torch.equal(reductions.weighted_sum(weights[run : run + 1], alone)[0], summed[run])
        assert torch.equal(reductions.products(alone, root.T)[0], product[run])
        assert torch.equal(reductions.lower_solutions(root, alone)[0], solved[run])
