"""All commands of `zoo`; each is a thin shell around one verb of the Python API."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoo.cli.governed import Json, audit_app, ledger_app, policy_app

PipelineOption = Annotated[str, typer.Option("--pipeline", "-p", help="Name of a pipelines/*.yaml file.")]

app = typer.Typer(
    name="zoo",
    help="Language models of your own domains, from data that each may use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
data_app = typer.Typer(help="Dataset versions: build and show them.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(audit_app, name="audit")
app.add_typer(policy_app, name="policy")
app.add_typer(ledger_app, name="ledger")


@app.callback()
def _root(
    home: Annotated[
        Path | None, typer.Option("--home", help="Workspace folder; instead of ZOO_HOME.", envvar="ZOO_HOME")
    ] = None,
) -> None:
    if home is not None:
        import os

        os.environ["ZOO_HOME"] = str(home)


@app.command()
def init(folder: Path, json: Json = False) -> None:
    """Write a new workspace with a commented zoo.yaml and a pipeline."""
    from zoo.cli.commands import run_init

    run_init(folder, json)


@app.command()
def train(
    family: Annotated[str, typer.Argument(help="Family of the model, such as gpt: see `zoo families`.")],
    pipeline: PipelineOption,
    size: Annotated[str | None, typer.Option(help="nano (the default), micro, … xl; that of --init.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps; follows from size and data if absent.")
    ] = None,
    duration: Annotated[
        str | None, typer.Option(help='Instead of --steps: "2 epochs", "50M tokens", "10 minutes".')
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and dropout.")] = 0,
    resume: Annotated[str, typer.Option(help="auto: continue a stopped training; never: discard it.")] = "auto",
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Windows a step.")] = None,
    window: Annotated[int | None, typer.Option(min=8, help="Tokens a window.")] = None,
    init: Annotated[
        str | None, typer.Option(help="Continue from NAME@champion, NAME/3, a keras-hub or a Hugging Face folder.")
    ] = None,
    init_label: Annotated[
        str | None, typer.Option(help="Domains that a folder's model was derived from, such as public.")
    ] = None,
    lora_rank: Annotated[int | None, typer.Option(min=1, help="Train adapters of this rank, not all weights.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Any other setting, as name=value: accumulate=4, ema=0.999, schedule=wsd, patience=3 …"
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Fine-tune: classify, tag, embed, seq2seq, instruct, preference, reward."),
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="For distilbert: the version to learn from; the pipeline's champion if absent.")
    ] = None,
    json: Json = False,
) -> None:
    """Curate, train, evaluate, gate and register a model."""
    from zoo.cli.commands import run_train

    request = {"pipeline": pipeline, "size": size, "steps": steps, "duration": duration, "seed": seed}
    request |= {"resume": resume, "init": init, "init_label": init_label, "teacher": teacher, "task": task}
    given = {"learning_rate": learning_rate, "batch_size": batch_size, "window": window, "lora.rank": lora_rank}
    run_train(family, request, given, settings or [], json)


@app.command()
def export(
    reference: Annotated[str, typer.Argument(help="NAME@champion, NAME/3, or a model's folder.")],
    folder: Annotated[Path, typer.Argument(help="To write; must not exist.")],
    to: Annotated[str, typer.Option("--to", help="hf, keras or saved_model")],
    family: Annotated[str | None, typer.Option(help="Of a folder that does not say it.")] = None,
    label: Annotated[str | None, typer.Option(help="Of a folder that does not say it, such as public.")] = None,
    json: Json = False,
) -> None:
    """Write a model as a folder for other programs."""
    from zoo.cli.commands import run_export

    run_export(reference, folder, to, family, label, json)


@data_app.command("build")
def data_build(
    pipeline: Annotated[str, typer.Argument(help="Name of a pipelines/*.yaml file.")],
    processes: Annotated[int | None, typer.Option(min=1, help="Of this machine; all cores if absent.")] = None,
    runner: Annotated[str, typer.Option(help="Who works through the steps: local or beam.")] = "local",
    beam_options: Annotated[
        str, typer.Option(help='Of Apache Beam: "--runner=FlinkRunner --flink_master=…"; in this process if absent.')
    ] = "",
    json: Json = False,
) -> None:
    """Build the dataset version of a pipeline's present sources."""
    from zoo.cli.data import run_data_build

    run_data_build(pipeline, processes, runner, beam_options, json)


@data_app.command("show")
def data_show(
    pipeline: Annotated[str, typer.Argument(help="Name of a pipelines/*.yaml file.")],
    records: Annotated[int, typer.Option(min=0, help="Show so many of them, as training reads them.")] = 0,
    json: Json = False,
) -> None:
    """Show the latest dataset version of a pipeline."""
    from zoo.cli.data import run_data_show

    run_data_show(pipeline, records, json)


@data_app.command("card")
def data_card(
    pipeline: Annotated[str, typer.Argument(help="Name of a pipelines/*.yaml file.")],
    json: Json = False,
) -> None:
    """Show the data card of a pipeline's last build, and where its page is."""
    from zoo.cli.data import run_data_card

    run_data_card(pipeline, json)


@data_app.command("croissant")
def data_croissant(
    pipeline: Annotated[str, typer.Argument(help="Name of a pipelines/*.yaml file.")],
    json: Json = False,
) -> None:
    """Show where the Croissant metadata of a pipeline's latest dataset version are."""
    from zoo.cli.data import run_data_croissant

    run_data_croissant(pipeline, json)


@data_app.command("diff")
def data_diff(
    old: Annotated[str, typer.Argument(help="Beginning of a dataset version's digest, or a pipeline: its latest.")],
    new: Annotated[str, typer.Argument(help="The same, of the version to compare it with.")],
    records: Annotated[int, typer.Option(min=0, help="Show the text of so many records.")] = 10,
    json: Json = False,
) -> None:
    """Show what changed between two dataset versions, in records and in text."""
    from zoo.cli.data import run_data_diff

    run_data_diff(old, new, records, json)


@app.command()
def lineage(
    thing: Annotated[
        str,
        typer.Argument(help="record:ID, subject:S, a dataset's digest, NAME/3, NAME@champion or the id of an answer."),
    ],
    domain: Annotated[str | None, typer.Option(help="Of the record or the subject; all domains if absent.")] = None,
    json: Json = False,
) -> None:
    """Say what a thing was made from, and what was made from it."""
    from zoo.cli.lineage import run_lineage

    run_lineage(thing, domain, json)


@app.command()
def families(
    vocab_size: Annotated[int, typer.Option(min=1, help="Words, for the number of weights.")] = 8192,
    json: Json = False,
) -> None:
    """List the families of models with their shapes, objectives and sizes."""
    from zoo.cli.commands import run_families

    run_families(vocab_size, json)


@app.command()
def plan(
    family: Annotated[str, typer.Argument(help="Family of the model: see `zoo families`.")],
    size: Annotated[str | None, typer.Option(help="A size of the family.")] = None,
    parameters: Annotated[str | None, typer.Option(help="Instead: a number of weights, such as 70B.")] = None,
    budget: Annotated[str | None, typer.Option(help="Dollars, such as 25000: instead of model or tokens.")] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Such as 1.4T; else 20 for each weight, or what --budget buys.")
    ] = None,
    hardware: Annotated[str, typer.Option(help="a100, h100, l4, or here: measures this machine.")] = "a100",
    devices: Annotated[int, typer.Option(min=1)] = 1,
    utilisation: Annotated[float, typer.Option(min=0.01, max=1, help="Share of the peak that is reached.")] = 0.4,
    price: Annotated[float | None, typer.Option(min=0, help="Dollars an hour and device.")] = None,
    vocab_size: Annotated[int, typer.Option(min=1, help="Words, for the weights of a named size.")] = 8192,
    json: Json = False,
) -> None:
    """Estimate tokens, FLOPs, memory, hours and money of a training."""
    from zoo.cli.commands import run_plan

    options = {"hardware": hardware, "devices": devices, "utilisation": utilisation, "price": price}
    numbers = {"parameters": parameters, "budget": budget, "tokens": tokens}
    run_plan(family, size, vocab_size, numbers, options, json)


@app.command()
def query(
    prompt: str,
    domain: Annotated[str, typer.Option(help="Domain to ask.")],
    caller: Annotated[str, typer.Option(help="Who asks; a name under callers in zoo.yaml.")],
    purpose: Annotated[str, typer.Option(help="What for; one of the domain's purposes.")] = "assist",
    max_latency_ms: Annotated[float | None, typer.Option(min=0, help="Measured latency a model may have.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens to generate at most.")] = 64,
    min_tokens: Annotated[int | None, typer.Option(min=0, help="Tokens to generate at least.")] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="Draws tokens; 0 takes the likeliest.")] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among so many of the likeliest tokens.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Draw among the likeliest tokens of this probability.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draws.")] = None,
    repetition_penalty: Annotated[float | None, typer.Option(help="Above 1: makes repetitions less likely.")] = None,
    stop: Annotated[list[str] | None, typer.Option(help="Text that ends the answer; may be given again.")] = None,
    beams: Annotated[int | None, typer.Option(help="Width of a beam search.")] = None,
    length_penalty: Annotated[float | None, typer.Option(help="Of the beam search; more for longer answers.")] = None,
    contrastive: Annotated[
        float | None, typer.Option(help="Contrastive search among the --top-k likeliest: weight, 0 to 1.")
    ] = None,
    control: Annotated[str | None, typer.Option(help="Kind of text: a source that a ctrl was trained on.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    truncate: Annotated[
        bool, typer.Option("--truncate", help="Cut the beginning of a prompt that is too long.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Say which models were considered.")] = False,
    json: Json = False,
) -> None:
    """Let the best model that the caller may use answer."""
    from zoo.cli.commands import run_query

    sampling = {
        "max_tokens": max_tokens,
        "min_tokens": min_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
        "repetition_penalty": repetition_penalty,
        "stop": stop,
        "beams": beams,
        "length_penalty": length_penalty,
        "contrastive": contrastive,
        "control": control,
    }
    request = {"domain": domain, "caller": caller, "purpose": purpose, "max_latency_ms": max_latency_ms}
    run_query(prompt, request | {"truncate": truncate}, sampling, stream, explain, json)


@app.command()
def models(json: Json = False) -> None:
    """List the registered model versions."""
    from zoo.cli.commands import run_models

    run_models(json)


@app.command()
def retrain(
    pipelines: Annotated[list[str] | None, typer.Argument(help="Only these pipelines; all if absent.")] = None,
    due: Annotated[bool, typer.Option("--due", help="Only what its refresh rule says is due.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is due and why, train nothing.")] = False,
    json: Json = False,
) -> None:
    """Train challengers on fresh data and promote those that are not worse."""
    from zoo.cli.commands import run_retrain

    run_retrain(pipelines or [], due, dry_run, json)


@app.command()
def erase(
    domain: Annotated[str, typer.Option(help="Domain that holds the data.")],
    subject: Annotated[str | None, typer.Option(help="Who the records are about; - reads it from input.")] = None,
    record: Annotated[str | None, typer.Option(help="Or the id of one record; - reads it from input.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Of the record; all of the domain if absent.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, write nothing.")] = False,
    json: Json = False,
) -> None:
    """Erase a person or a record from data, caches and models; models that saw it leave service at once."""
    from zoo.cli.erase import run_erase

    run_erase(domain, subject, record, pipeline, dry_run, json)


@app.command()
def schedule() -> None:
    """Run as a daemon: retrain each pipeline at its cron time."""
    from zoo.schedule import run_daemon

    run_daemon()


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Start MLflow's web UI on the workspace."""
    from zoo.ui import serve

    serve(host, port)


@app.command()
def doctor(json: Json = False) -> None:
    """Say what is installed, which detectors are active, what is missing and how to mend it."""
    from zoo.cli.commands import run_doctor

    run_doctor(json)
