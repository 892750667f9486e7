"""The command line: ``gymspotter <verb>``. jobs/<verb>.py are the same verbs for `ray job submit`.

A verb is an options dataclass and the function that takes it; tyro makes the command line of the dataclass.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import tyro

from gymspotter.errors import InputError
from gymspotter.stopping import end_in_order
from gymspotter.submitted import refuse_own_folder

# verb -> module, options, function. Modules are imported for the one verb that runs: Ray and MLflow take seconds.
VERBS: dict[str, tuple[str, str, str]] = {
    "synth": ("gymspotter.synth.generate", "SynthOptions", "synthesise"),
    "weights": ("gymspotter.pose.weights", "WeightsOptions", "fetch_weights"),
    "extract": ("gymspotter.extract", "ExtractOptions", "extract"),
    "train": ("gymspotter.train", "TrainOptions", "train"),
    "tune": ("gymspotter.tune", "TuneOptions", "tune"),
    "report": ("gymspotter.sweeps.report", "ReportOptions", "report"),
    "pipeline": ("gymspotter.pipeline", "PipelineOptions", "pipeline_or_exit"),
    "promote": ("gymspotter.promote", "PromoteOptions", "promote_or_exit"),
    "rollback": ("gymspotter.promote", "RollbackOptions", "rollback"),
    "history": ("gymspotter.promote", "HistoryOptions", "show_history"),
    "show": ("gymspotter.show", "ShowOptions", "show"),
    "watch": ("gymspotter.watch", "WatchOptions", "watch"),
    "serve": ("serve.run", "ServeOptions", "serve_until_stopped"),
    "token": ("serve.access.tokens", "TokenOptions", "make_token"),
    "demo": ("gymspotter.demo", "DemoOptions", "demo"),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb; bad input ends with its one sentence on standard error and exit status 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verb = arguments[0] if arguments else "--help"
    if verb not in VERBS:
        asked = verb in ("-h", "--help")
        _usage(sys.stdout if asked else sys.stderr, None if asked else verb)
        sys.exit(0 if asked else 2)
    module_name, options_name, function_name = VERBS[verb]
    end_in_order()
    try:
        module = importlib.import_module(module_name)
        options_class, words = getattr(module, options_name), arguments[1:]
        # Defaults may hang on other arguments: each model has a recipe of its own.
        default = options_class.defaults_for(words) if hasattr(options_class, "defaults_for") else tyro.MISSING_NONPROP
        options: Any = tyro.cli(options_class, args=words, prog=f"gymspotter {verb}", default=default)
        refuse_own_folder(options)
        getattr(module, function_name)(options)
    except InputError as error:
        print(f"gymspotter {verb}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _usage(stream: Any, unknown: str | None) -> None:
    if unknown is not None:
        print(f"gymspotter: {unknown!r} is not a verb.", file=stream)
    print(f"usage: gymspotter {{{','.join(VERBS)}}} [options]   (gymspotter <verb> --help)", file=stream)
