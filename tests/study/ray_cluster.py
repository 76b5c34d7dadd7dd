"""A Ray cluster on this machine: a head without processors and two worker nodes.

Prints its address, then takes the cluster down when its input ends.
"""

import logging
import sys
import warnings

warnings.simplefilter("ignore")

from ray.cluster_utils import Cluster  # noqa: E402

cluster = Cluster(
    initialize_head=True,
    head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": 80_000_000},
)
for _ in range(2):
    cluster.add_node(num_cpus=1, object_store_memory=80_000_000)
cluster.wait_for_nodes()
logging.disable()
sys.stdout.write(f"address {cluster.address}\n")
sys.stdout.flush()
sys.stdin.read()
cluster.shutdown()
