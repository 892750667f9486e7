"""Programs that run inside the cluster of `nodes`, whose token a process must have before it imports Ray.

python benchmarks/faulting/inside.py watch HOST:PORT            # the addresses of the nodes that Ray counts on
python benchmarks/faulting/inside.py hold ADDRESS MEGABYTES     # fill the object store of the node at an address
"""

import sys
import time
from typing import Any

import numpy as np
import ray
from ray._raylet import GcsClient
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

_EVERY_S = 0.5
_ALIVE = 0  # GcsNodeInfo.GcsNodeState
_PIECE_MB = 4


def watch(address: str) -> None:
    """Print the addresses of the nodes that are alive, now and whenever they change."""
    told, client = None, GcsClient(address=address)
    while True:
        found = client.get_all_node_info().values()
        alive = sorted(node.node_manager_address for node in found if node.state == _ALIVE)
        if alive != told:
            print("alive", *alive, flush=True)
            told = alive
        time.sleep(_EVERY_S)


class _Holder:
    def fill(self, megabytes: int) -> None:
        pieces = range(0, megabytes, _PIECE_MB)
        self.refs: list[Any] = [ray.put(np.ones(_PIECE_MB * 2**20, np.uint8)) for _ in pieces]
        self.used = [ray.get(ref) for ref in self.refs]  # what is in use cannot be moved to disk


def hold(address: str, megabytes: int) -> None:
    """Keep the object store of a node full until this process ends: an actor there has all of it in use."""
    ray.init(log_to_driver=False)
    node_id = next(one["NodeID"] for one in ray.nodes() if one["Alive"] and one["NodeManagerAddress"] == address)
    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    holder = ray.remote(num_cpus=0, scheduling_strategy=there)(_Holder).remote()
    ray.get(holder.fill.remote(megabytes))
    print(f"holds {megabytes} MiB", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1] == "watch":
        watch(sys.argv[2])
    else:
        hold(sys.argv[2], int(sys.argv[3]))
