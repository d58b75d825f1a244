"""Documents of other tools read into the layers of the importer, all or none.

A document is of the clip whose file has its name; if the project has one clip and the import one
document, of that. It takes the place of the importer's layer, which its log keeps. A document
without masks changes only what is said and heard: tracks of the same category and instance keep
their masks. One that tells of nothing begins an empty layer, and leaves one that is there.
"""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import IO, NamedTuple

from service.formats.catalogue import named
from service.http.threads import in_thread
from service.studio.exporting import file_names
from service.studio.layers import Layer, LayerTrack
from service.studio.readers import of_ra_ssu
from service.studio.readers.archives import Document, Unpacking
from service.studio.readers.catalogue import READERS
from service.studio.readers.gathered import Gathered, Target
from service.studio.records import READY, Clip, Project
from service.studio.schemas import Imported, ImportedClip
from service.studio.studio import Studio, check_annotator
from ssuformer.errors import ImportInvalid, OptionError, StudioFull, StudioNotFound


class _Read(NamedTuple):
    clip: Clip
    document: str
    layer: Layer
    masks: bool
    """Whether the document has any; without, those of the layer that is there stay."""


class Import:
    """Reads one file into a project."""

    def __init__(self, studio: Studio, project: Project, form: str, *, me: str) -> None:
        """Raise OptionError for a format that is not read, StudioForbidden for a reserved name."""
        check_annotator(me)
        if form not in READERS:
            raise OptionError(f"format: {form!r} is none of {', '.join(READERS)}", actual=form)
        self._studio = studio
        self._project = project
        self._form = form
        self._me = me
        self._stopped = Event()

    async def read(self, file: IO[bytes], name: str) -> Imported:
        """Write what is in a file to my layers; ImportInvalid, and nothing is, if it is wrong."""
        clips = await self._studio.store.clips(self._project.id)
        reading = partial(self._read, file, name, clips)
        async with self._studio.importing:
            found, left_out = await in_thread(reading, stop=self._stopped.set)
        if not found:
            raise ImportInvalid(
                f"{name[:200]}: it has no document of a clip of the project"
                + (f"; it tells of {', '.join(left_out[:5])}" if left_out else "")
            )
        told = await self._put(found)
        kept = [one.document for one in found if one.clip.id not in told]
        if not told:
            raise ImportInvalid(f"{kept[0]}: it tells of nothing; your layer stays as it is")
        left_out += kept
        self._studio.log.info(
            "studio_imported", project=self._project.id, key=self._me, format=self._form,
            clips=len(told), left_out=len(left_out),
        )  # fmt: skip
        return Imported(clips=list(told.values()), left_out=left_out)

    async def _put(self, found: list[_Read]) -> dict[str, ImportedClip]:
        """Write my layers, all or none; return what is told of each clip that has changed."""
        layers = [(one, await self._layer(one)) for one in found]
        changed = [(one, layer) for one, layer in layers if layer is not None]
        revisions = await self._studio.layers.put([layer for _, layer in changed], who=self._me)
        return {
            one.clip.id: ImportedClip(
                clip=one.clip.id, file=one.document, revision=revision, tracks=len(layer.tracks)
            )
            for (one, layer), revision in zip(changed, revisions, strict=True)
        }

    def _read(self, file: IO[bytes], name: str, clips: list[Clip]) -> tuple[list[_Read], list[str]]:
        suffix = named(self._form).suffix
        by_name = {
            names.stem.casefold(): clip
            for clip, names in zip(clips, file_names(clips).values(), strict=True)
        }
        found: dict[str, _Read] = {}
        left_out: list[str] = []
        for document in Unpacking().documents(file, self._form, suffix, name):
            clip = by_name.get(document.name.casefold())
            if clip is None and len(clips) == 1 and document.place == name:
                clip = clips[0]
            if clip is None or clip.state != READY:
                left_out.append(document.place[:200])
                continue
            if self._stopped.is_set():
                raise ImportInvalid(f"{name[:200]}: nobody waits for the import any more")
            if clip.id in found:
                raise ImportInvalid(f"{document.place[:200]}: a second one of the same clip")
            found[clip.id] = self._read_one(document, clip)
        return list(found.values()), left_out

    def _read_one(self, document: Document, clip: Clip) -> _Read:
        facts, fps, place = self._studio.facts(clip), self._project.fps, document.place[:200]
        gathered = Gathered(
            Target(clip.shape, fps, rate=facts.clip.fps or fps), place, self._stopped
        )
        if self._form == "ra-ssu":
            of_ra_ssu.read_with(document.content, gathered, document.pictures)
        else:
            READERS[self._form](document.content, gathered)
        tracks, most = gathered.tracks(self._me), self._studio.settings.studio_tracks
        if len(tracks) > most:
            raise StudioFull(f"{place}: a layer has {most} tracks at most", limit=most)
        heard = gathered.heard(self._me)
        layer = Layer(clip=clip.id, annotator=self._me, tracks=tracks, heard=heard)
        return _Read(clip, place, layer, gathered.masks)

    async def _layer(self, read: _Read) -> Layer | None:
        """Return what my layer becomes; None if it stays, as the document tells of nothing."""
        layer = read.layer
        if read.masks:
            return layer
        try:
            before = await self._studio.layer(read.clip, self._me)
        except StudioNotFound:
            return layer
        if not layer.tracks and not layer.heard:
            return None
        return layer.model_copy(update={"tracks": _with_masks(layer.tracks, before)})


def _with_masks(tracks: list[LayerTrack], before: Layer) -> list[LayerTrack]:
    """Return tracks with the masks that those of the same category and instance had before."""
    known = {(one.category, one.instance): one for one in before.tracks}
    found, used = [], set[str]()
    for track in tracks:
        old = known.get((track.category, track.instance))
        if old is not None:
            used.add(old.id)
            update = {"id": old.id, "masks": old.masks}
            track = track.model_copy(update=update)
        found.append(track)
    left = [one for one in before.tracks if one.id not in used]
    return _unique([*found, *(one.model_copy(update={"intervals": []}) for one in left)])


def _unique(tracks: list[LayerTrack]) -> list[LayerTrack]:
    """Return tracks of which no two have the same identity."""
    taken: set[str] = set()
    found = []
    for track in tracks:
        identity, number = track.id, 1
        while identity in taken:
            identity, number = f"t{len(tracks) + number}", number + 1
        taken.add(identity)
        found.append(track.model_copy(update={"id": identity}))
    return found
