"""Every tap of a torchvision network beside torchvision's own feature extraction.

python tests/subjects/torchvision_twin.py resnet50      # random weights; prints and exits 0 or 1
"""

import copy
import json
import math
import operator
import sys
from typing import Any
from unittest.mock import patch

import torch

from invariscope import NetworkSubject, load_subject, seeds
from invariscope.subjects import PIXELS
from invariscope.zoo.vision import torchvision_models


def name_nodes(subject: NetworkSubject, tracer_kwargs: dict[str, Any]) -> dict[str, str]:
    """torchvision's name of the operation that gives each site, where it has one."""
    from torchvision.models.feature_extraction import NodePathTracer

    tracer = NodePathTracer(**tracer_kwargs)
    nodes = [n for n in tracer.trace(subject.model).nodes if n in tracer.node_to_qualname]
    names = {}
    for site in subject.sites():
        module, _, call = site.partition("@")
        calls = [n for n in nodes if n.op == "call_module" and n.target == module]
        # A module with children ends with the last operation inside it.
        inside = [n for n in nodes if tracer.node_to_qualname[n].startswith(module + ".")]
        if len(calls) >= int(call or 1):
            names[site] = tracer.node_to_qualname[calls[int(call or 1) - 1]]
        elif inside and not call:
            names[site] = tracer.node_to_qualname[inside[-1]]
    return names


def out_of_place(extractor: torch.fx.GraphModule) -> None:
    """torchvision hands out what later operations overwrite; here nothing is overwritten."""
    for module in extractor.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    for node in extractor.graph.nodes:
        if node.target is operator.iadd:
            node.target = operator.add
        if "inplace" in node.kwargs:
            node.kwargs = {**node.kwargs, "inplace": False}
    extractor.recompile()


def twin(subject: NetworkSubject, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """Each site's response as torchvision extracts it; a site that it has no name for is absent."""
    import torchvision
    from torchvision.models.feature_extraction import create_feature_extractor

    # torchvision does not look into blocks of torchvision.ops; here those with children are.
    leaves = [torchvision.ops.StochasticDepth, torchvision.ops.Permute]
    kwargs = {"autowrap_modules": (math, torchvision.ops), "leaf_modules": leaves}
    named = name_nodes(subject, kwargs)
    nodes, model = sorted(set(named.values())), copy.deepcopy(subject.model)
    with patch(f"{create_feature_extractor.__module__}._get_leaf_modules_for_ops", list):
        extractor = create_feature_extractor(
            model, nodes, tracer_kwargs=kwargs, suppress_diff_warning=True
        )
    out_of_place(extractor)
    with torch.no_grad():
        found = extractor(subject._prepare(images))
    found = {node: v[0] if isinstance(v, tuple) else v for node, v in found.items()}
    return {site: found[node] for site, node in named.items()}


def small(name: str, side: int) -> NetworkSubject:
    """A network of torchvision with random weights for images of `side` pixels."""
    options = {"image_size": side} if name.startswith("vit_") else {}
    with seeds.torch_global(name):
        model = torchvision_models().get_model(name, weights=None, **options)
    return NetworkSubject(model.eval().requires_grad_(requires_grad=False), image_size=side)


def compare(subject: NetworkSubject) -> dict[str, Any]:
    """How many sites of a network there are, which have no twin, and which differ from it."""
    side = subject.image_size
    images = torch.rand(2, 3, side, side, generator=seeds.torch_stream("twin"))
    expected = twin(subject, images)
    sites = [site for site in subject.sites() if site != PIXELS]
    responses = subject.respond(images, sites)
    absent = [site for site in sites if site not in expected]
    differ = [site for site in expected if not torch.equal(responses[site], expected[site])]
    return {"sites": len(sites), "without_twin": absent, "differ": differ}


if __name__ == "__main__":
    result = compare(load_subject(f"torchvision:{sys.argv[1]}", weights="random"))
    sys.stdout.write(json.dumps(result) + "\n")
    sys.exit(bool(result["differ"] or result["without_twin"]))
