"""A Ray cluster on this machine whose worker nodes can be cut off: each is in a network namespace of its own.

The head is where the benchmark is, at the address of a bridge; a cable (a pair of veth devices) leads from it to each
node. All of it is gone when the block ends, and needs root: namespaces and devices are the kernel's.

    with Network() as network, Services(network.host, folder) as services:
        with Cluster(network, workers=2, environment=services.env, folder=folder) as cluster:
            cluster.nodes[0].cut()
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from processes import Child, NotComeAboutError, free_port, title

RAYLET = "/raylet/raylet"  # in the command line of a node's own process
_RAY = str(Path(sys.executable).with_name("ray"))
_INSIDE = [sys.executable, str(Path(__file__).with_name("inside.py"))]
_CABLE = "eth0"  # a node's end of it
_PATIENCE, _STARTS = 600.0, 5

Found = TypeVar("Found")


class Network:
    """A bridge at ``host`` (10.77.N.1), to which namespaces are connected."""

    def __init__(self) -> None:
        self.number, self.host = 0, ""
        self._namespaces: list[str] = []

    def __enter__(self) -> Self:
        if os.geteuid():
            raise SystemExit(
                "the nodes of the cluster are network namespaces, which only root may make: run it as root."
            )
        self.number = next(
            (n for n in range(1, 250) if _ip("link", "add", f"gsbr{n}", "type", "bridge", check=False)), 0
        )
        if not self.number:
            raise SystemExit(
                "the kernel lets nobody make a network bridge here: run it on a machine or in a container that may."
            )
        self.host = f"10.77.{self.number}.1"
        _ip("address", "add", f"{self.host}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._namespaces:
            self.remove(name)
        _ip("link", "delete", self._bridge, check=False)

    @property
    def _bridge(self) -> str:
        return f"gsbr{self.number}"

    def add(self, last: int) -> tuple[str, str]:
        """A new namespace whose address ends so; its name, which is also that of its end of the cable here."""
        name, address = f"gs{self.number}-{last}", f"10.77.{self.number}.{last}"
        _ip("netns", "add", name)
        self._namespaces.append(name)
        _ip("link", "add", name, "type", "veth", "peer", "name", _CABLE, "netns", name)
        _ip("link", "set", name, "master", self._bridge, "up")
        _ip("-n", name, "address", "add", f"{address}/24", "dev", _CABLE)
        _ip("-n", name, "link", "set", _CABLE, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        return name, address

    def remove(self, name: str) -> None:
        """Remove a namespace, with all that runs in it."""
        for _ in range(50):
            if not (left := _pids_in(name)):
                break
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        _ip("netns", "delete", name, check=False)
        _ip("link", "delete", name, check=False)


@dataclass(kw_only=True, eq=False)
class Node:
    """A node of the cluster, which is also the name of its network namespace."""

    name: str
    address: str
    cluster: "Cluster" = field(repr=False)
    _holder: Child | None = field(default=None, repr=False)

    @property
    def alive(self) -> bool:
        """Whether Ray counts on it: one that was killed or cut off is alive until Ray has noticed."""
        return self.name in self.cluster.alive()

    def pids(self, words: str) -> list[int]:
        """The processes of this node whose command line holds the words."""
        return sorted(pid for pid in _pids_in(self.name) if words in title(pid))

    def kill_raylet(self) -> None:
        """SIGKILL for the process that is the node; what it has started ends by itself."""
        for pid in self.pids(RAYLET):
            os.kill(pid, signal.SIGKILL)

    def cut(self) -> None:
        """Pull its cable: what is sent is lost, nobody is told."""
        _ip("link", "set", self.name, "down")

    def mend(self) -> None:
        """Put the cable back."""
        _ip("link", "set", self.name, "up")

    def fill_store(self) -> None:
        """Fill its object store with what a process on it has in use, so that nothing can make room."""
        self._holder = Child([*_INSIDE, "hold", self.address, str(self.cluster.store_mb)], self.cluster.env)
        self._holder.until(lambda: self._holder and self._holder.word_after("holds "))

    def release(self) -> None:
        """Give back what `fill_store` holds."""
        if self._holder:
            self._holder.end()
            self._holder = None


class Cluster:
    """A head that runs no tasks, and ``workers`` nodes."""

    def __init__(
        self,
        network: Network,
        *,
        workers: int = 2,
        cpus: int = 1,
        store_mb: int = 80,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        port: int | None = None,
        dashboard_port: int | None = None,
    ) -> None:
        """What to start.

        Args:
            network: where.
            workers: nodes beside the head.
            cpus: of each of them.
            store_mb: size of each node's object store in MiB, at least 75.
            environment: beside Ray's own, of all nodes and in ``env``: where storage and MLflow are.
            folder: for what Ray writes, removed at the end; a short path, since Unix sockets lie in it. By default in
                /tmp.
            port: of the head; by default a free one.
            dashboard_port: of its dashboard; by default there is none.
        """
        self.network, self.workers, self.cpus, self.store_mb = network, workers, cpus, store_mb
        self.folder = Path(tempfile.mkdtemp(prefix="gs", dir="/tmp")) if folder is None else folder
        self.nodes: list[Node] = []
        self.address = f"{network.host}:{port or free_port()}"
        self.env = {"RAY_ADDRESS": self.address, "RAY_AUTH_MODE": "token",
                    "RAY_AUTH_TOKEN_PATH": str(self.folder / "token"), **(environment or {})}  # fmt: skip
        self._dashboard_port, self._last = dashboard_port, 1
        self._children: dict[str, Child] = {}
        self._watch: Child | None = None

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "token").write_text(secrets.token_hex(32))
        (self.folder / "token").chmod(0o600)
        try:
            self._try(self._start_head, lambda: self._children["head"].word_after("Ray runtime"), "head")
            self._watch = Child([*_INSIDE, "watch", self.address], self.env)
            self._watch.until(lambda: "head" in self.alive(), _PATIENCE)
            for _ in range(self.workers):
                self.add_node(wait=False)
            for node in self.nodes:
                self._joined(node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in list(self.nodes):
            self.remove(node)
        if self._watch:
            self._watch.end()
        if head := self._children.get("head"):
            head.end()
            _end_session(head.pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_node(self, *, wait: bool = True) -> Node:
        """One more node."""
        self._last += 1
        name, address = self.network.add(self._last)
        node = Node(name=name, address=address, cluster=self)
        self.nodes.append(node)
        self._start_node(node)
        if wait:
            self._joined(node)
        return node

    def _start_head(self) -> None:
        port = ["--dashboard-port", str(self._dashboard_port)] if self._dashboard_port else []
        words = ["--head", "--port", self.address.split(":")[1], "--num-cpus", "0", "--dashboard-host", "127.0.0.1"]
        words += ["--include-dashboard", str(bool(port)).lower(), *port]
        self._start("head", self.network.host, words)

    def _start_node(self, node: Node) -> None:
        words = ["--address", self.address, "--num-cpus", str(self.cpus)]
        self._start(node.name, node.address, words, before=["ip", "netns", "exec", node.name])

    def _joined(self, node: Node) -> None:
        """Wait until Ray counts on the node."""
        self._try(lambda: self._start_node(node), lambda: node.alive, node.name)

    def _try(self, start: Callable[[], None], look: Callable[[], object], name: str) -> None:
        """Wait for a node. Ray gives it 30 seconds to start, too few on a busy machine: then it is started again."""
        for attempt in range(_STARTS):
            if name not in self._children:
                start()
            try:
                self._children[name].until(look, _PATIENCE)
                return
            except NotComeAboutError:
                if attempt == _STARTS - 1:
                    raise
                child = self._children.pop(name)
                child.end()
                _end_session(child.pid)

    def remove(self, node: Node) -> None:
        """Take a node away, dead or alive."""
        node.release()
        self.nodes.remove(node)
        self.network.remove(node.name)
        if child := self._children.pop(node.name, None):
            child.end()

    def restore(self) -> None:
        """What was lost is there again: as many whole nodes as in the beginning."""
        alive = self.alive()
        for node in list(self.nodes):
            node.mend()
            node.release()
            if node.name not in alive or not node.pids(RAYLET):
                self.remove(node)
        while len(self.nodes) < self.workers:
            self.add_node(wait=False)
        for node in self.nodes:
            self._joined(node)

    def until(self, look: Callable[[], Found]) -> Found:
        """What ``look`` returns once that is true, within ten minutes."""
        return self._children["head"].until(look, _PATIENCE)

    def alive(self) -> set[str]:
        """The names of the nodes that Ray counts on; "head" is the head."""
        names = {node.address: node.name for node in self.nodes} | {self.network.host: "head"}
        told = self._watch.lines() if self._watch else []
        last = next((line.split()[1:] for line in reversed(told) if line.startswith("alive ")), [])
        return {names[address] for address in last if address in names}

    def pids(self, words: str) -> list[int]:
        """The processes of all nodes, the head among them, whose command line holds the words."""
        head = [pid for pid in _session(self._children["head"].pid) if words in title(pid)]
        return sorted({*head, *(pid for node in self.nodes for pid in node.pids(words))})

    def _start(self, name: str, address: str, words: Sequence[str], before: Sequence[str] = ()) -> None:
        """`ray start` for one node, whose files are in a folder of its own."""
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        every = ["--block", "--node-ip-address", address, "--temp-dir", str(folder), "--disable-usage-stats"]
        every += ["--object-store-memory", str(self.store_mb * 2**20)]
        # Gloo else takes the address that this machine's name stands for, which no namespace has.
        cable = {"GLOO_SOCKET_IFNAME": _CABLE} if before else {}
        self._children[name] = Child([*before, _RAY, "start", *words, *every], self.env | cable)


def _ip(*words: str, check: bool = True) -> bool:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.returncode == 0


def _pids_in(name: str) -> list[int]:
    done = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
    return [int(pid) for pid in done.stdout.split()]


def _session(leader: int) -> list[int]:
    """The processes of a session."""
    done = subprocess.run(["ps", "-eo", "pid,sess"], capture_output=True, text=True)
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    return [int(pid) for pid, session in rows if session == str(leader)]


def _end_session(leader: int) -> None:
    for pid in _session(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
