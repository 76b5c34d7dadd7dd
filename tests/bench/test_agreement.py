"""Kendall's tau of bf16 over whole searches."""

import json

import torch

from bench.agreement import as_markdown, rank_agreement
from invariscope import load_generator, load_subject
from invariscope.testing.toys import ToyGenerator, ToySubject


def test_a_subject_that_ignores_precision_agrees_perfectly():
    subject = ToySubject(torch.linspace(-1, 1, 96).reshape(2, 3, 4, 4))
    said = []
    rows = rank_agreement(
        subject, ToyGenerator(4), ["linear:0"], ["pixels"], generations=5, say=said.append
    )
    assert said == ["linear:0"]
    assert [row["generation"] for row in rows] == [1, 1, 3, 3, 5, 5]
    assert {row["task"] for row in rows} == {"invariance", "adversarial"}
    assert all(row["tau_stretch"] == row["tau_activity"] == 1 for row in rows)


def test_bf16_changes_the_order_of_a_few_candidates_of_the_embedded_network():
    rows = rank_agreement(
        load_subject("embedded:standard"),
        load_generator("embedded"),
        ["fc:3"],
        ["layer3.0.conv1"],
        generations=2,
    )
    taus = [row[key] for row in rows for key in ("tau_stretch", "tau_activity")]
    assert 0.9 < min(taus) < 1


def test_the_table_is_made_from_the_figures_that_the_command_wrote(written):
    figures, table = written("precision.json")
    assert as_markdown(json.loads(figures)["rows"]) == table
