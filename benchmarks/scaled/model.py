"""The model on paper: extraction, sweeps and live sessions at sizes nobody here has.

Pure functions of measured figures. Hours are hours of video, unless wall-clock is said; money is US dollars.
"""

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What things cost: assumptions, near the list prices of a large cloud on demand. Put your own in."""

    gpu_node_hour: float = 1.32
    """A node with one GPU (24 GB, L4 class) and 16 vCPUs, an hour"""
    vcpu_hour: float = 0.045
    """A vCPU of a node without GPU, with its memory, an hour"""
    get_per_1000: float = 0.0004
    """1,000 reads from object storage"""
    put_per_1000: float = 0.005
    """1,000 writes to it"""
    stored_gb_month: float = 0.023
    """A GB in object storage for a month"""
    egress_gb: float = 0.09
    """A GB sent to the internet; what comes in, and storage of the same region, are free"""
    spot: float = 0.35
    """Spot nodes, of the price on demand"""


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """What the model needs and nobody measured here."""

    cores_per_gpu: int = 16
    """vCPUs beside each GPU, each taken for a core as measured"""
    gpu_tflops: float = 12.0
    """TFLOP/s that the 2D net gets from the GPU: a tenth of an L4's 121 in half precision"""
    net_gflop_frame: float = 1.9
    """GFLOP of RTMPose-m a crop, by its authors; the lifter is left out"""
    gb_hour: float = 1.8
    """GB of an hour of 720p video (4 Mbit/s)"""
    request_mb: float = 4.0
    """MB of a read from object storage"""
    node_gbit: float = 10.0
    """Gbit/s a node gets from object storage, sustained"""
    prefix_gets: float = 5500.0
    """Reads a second that object storage gives a prefix"""
    headroom: float = 0.7
    """Share of a replica's limit that it is loaded with"""
    replica_vcpus: int = 2
    """vCPUs of a replica of the service, with its share of the proxy"""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Extraction as measured. Core seconds an hour of video: ``decode_s``, ``find_s`` (people, in every third frame),
    ``blazepose_s`` (all of BlazePose, with decoding), ``probe_s``; ``driver_s`` of the driver's only thread a span of a
    minute; ``store_bytes_frame``."""

    decode_s: float
    find_s: float
    blazepose_s: float
    probe_s: float
    driver_s: float
    store_bytes_frame: float
    fps: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """So many units (GPUs, or cores) at work: hours of video in an hour, by what could limit it, and what it costs."""

    units: int
    by_cores: float
    by_gpu: float
    by_reading: float
    by_driver: float
    jobs: int
    hour_cost: float
    requests_s: float

    @property
    def unbounded(self) -> float:
        """Hours an hour, if drivers were no limit."""
        return min(self.by_cores, self.by_gpu, self.by_reading)

    @property
    def one_job(self) -> float:
        """Hours an hour in a single job."""
        return min(self.unbounded, self.by_driver)

    @property
    def limit(self) -> str:
        """What limits a single job."""
        limits = {
            "cores beside the GPU": self.by_cores,
            "the GPU": self.by_gpu,
            "reading": self.by_reading,
            "the driver": self.by_driver,
        }
        return min(limits, key=lambda name: limits[name])


def extract_on_gpus(gpus: int, pose: Pose, assumed: Assumed, prices: Prices) -> Extraction:
    """MMPose on nodes of one GPU."""
    cores = assumed.cores_per_gpu * gpus
    by_gpu = 3600 * gpus * assumed.gpu_tflops * 1e12 / (3600 * pose.fps * assumed.net_gflop_frame * 1e9)
    each = pose.probe_s + pose.decode_s + pose.find_s
    return _extraction(gpus, gpus, 3600 * cores / each, by_gpu, prices.gpu_node_hour * gpus, pose, assumed, prices)


def extract_on_cores(cores: int, pose: Pose, assumed: Assumed, prices: Prices) -> Extraction:
    """BlazePose on nodes of 32 cores."""
    by_cores = 3600 * cores / (pose.probe_s + pose.blazepose_s)
    nodes = math.ceil(cores / 32)
    return _extraction(cores, nodes, by_cores, math.inf, prices.vcpu_hour * cores, pose, assumed, prices)


def _extraction(
    units: int,
    nodes: int,
    by_cores: float,
    by_gpu: float,
    cost: float,
    pose: Pose,
    assumed: Assumed,
    prices: Prices,
) -> Extraction:
    hour_gbit = 8 * 2 * assumed.gb_hour  # read by the probe and by the worker
    by_reading = 3600 * assumed.node_gbit * nodes / hour_gbit
    by_driver = 3600 / (60 * pose.driver_s)
    rate = min(by_cores, by_gpu, by_reading)
    reads = 2 * 1000 * assumed.gb_hour / assumed.request_mb
    return Extraction(
        units=units,
        by_cores=by_cores,
        by_gpu=by_gpu,
        by_reading=by_reading,
        by_driver=by_driver,
        jobs=math.ceil(rate / (0.8 * by_driver)),
        hour_cost=cost / rate + reads * prices.get_per_1000 / 1000,
        requests_s=rate * reads / 3600,
    )


@dataclass(frozen=True, kw_only=True)
class Sweeping:
    """A sweep as measured: slot seconds an epoch and segment, by model; what Ray adds; epochs that ASHA spends."""

    epoch_s_segment: dict[str, float]
    overhead: float
    spent: float


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """So many trials on so many slots: hours of wall-clock time, of that the longest trial alone, and dollars."""

    slots: int
    hours: float
    longest_hours: float
    cost: float

    @property
    def busy(self) -> float:
        """Share of the slots' time in which they work."""
        return min(1.0, (self.hours - self.longest_hours) / self.hours) if self.hours else 0.0


def sweep(
    nodes: int, trials: int, segments: int, epochs: int, measured: Sweeping, assumed: Assumed, prices: Prices
) -> Sweep:
    """Trials of all models in equal shares, on the cores of so many GPU nodes, two cores a trial.

    Graham's bound: no later than the work in equal parts, and then the longest trial.
    """
    slots = nodes * assumed.cores_per_gpu // 2
    costs = measured.epoch_s_segment.values()
    work = trials * measured.spent * measured.overhead * epochs * segments * sum(costs) / len(costs)
    longest = epochs * segments * max(costs)
    hours = (work / slots + longest) / 3600
    return Sweep(slots=slots, hours=hours, longest_hours=longest / 3600, cost=hours * nodes * prices.gpu_node_hour)


@dataclass(frozen=True, kw_only=True)
class Live:
    """Sessions as measured: how many a replica holds, the bytes of `sessions.measure`,
    how often a session is copied and how much a keeper takes, and BlazePose's core seconds a frame."""

    per_replica: float
    copy_bytes: float
    sent_bytes_s: float
    told_bytes_s: float
    copy_every_s: float
    keeper_bytes: float
    pose_s_frame: float
    fps: float = 5.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """So many live sessions: replicas, dollars an hour (cores, egress; and if it sees pictures, cores for poses)."""

    sessions: int
    replicas: int
    cores_cost: float
    egress_cost: float
    pictures_cost: float
    keepers: int
    copies_gbit: float
    in_gbit: float


def serve(sessions: int, live: Live, assumed: Assumed, prices: Prices) -> Service:
    """Joints come in, as from the page or from a phone that estimates its own poses."""
    replicas = math.ceil(sessions / (assumed.headroom * live.per_replica))
    copies_s = sessions / live.copy_every_s
    egress_gb = sessions * live.told_bytes_s * 3600 / 1e9
    pose_cores = sessions * live.fps * live.pose_s_frame / assumed.headroom
    return Service(
        sessions=sessions,
        replicas=replicas,
        cores_cost=replicas * assumed.replica_vcpus * prices.vcpu_hour,
        egress_cost=egress_gb * prices.egress_gb,
        pictures_cost=pose_cores * prices.vcpu_hour,
        keepers=math.ceil(sessions * live.copy_bytes / live.keeper_bytes),
        copies_gbit=8 * copies_s * live.copy_bytes / 1e9,
        in_gbit=8 * sessions * live.sent_bytes_s / 1e9,
    )


def explained(kind: type[Prices] | type[Assumed]) -> list[tuple[str, float, str]]:
    """(name, value, meaning) of each field, from the source: the meaning is the text below it."""
    import ast
    import inspect

    body = ast.parse(inspect.getsource(kind)).body[0].body  # type: ignore[attr-defined]
    texts = [node.value.value for node in body[1:] if isinstance(node, ast.Expr)]
    return [(field.name, getattr(kind(), field.name), text) for field, text in zip(fields(kind), texts, strict=True)]
