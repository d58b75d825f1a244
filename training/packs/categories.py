"""Contents of the collected pack: every category with its words, pictures and sounds."""

from __future__ import annotations

from dataclasses import dataclass

from training.packs import household, synthesis
from training.packs.melodies import Melody
from training.packs.synthesis import Synthesiser
from training.scene import Profile


@dataclass(frozen=True, slots=True)
class Recorded:
    """Real recordings, as paths below the folder of stamps."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Synthesised:
    """A sound computed by a function of a seeded generator and a length in seconds."""

    make: Synthesiser


SoundRecipe = Melody | Recorded | Synthesised


@dataclass(frozen=True, slots=True)
class Category:
    """A category: its name and verb, and the sources of its pictures and sounds."""

    name: str
    noun: str
    verb: str
    profile: Profile
    emoji: tuple[str, ...]
    """Code points in lower-case hex."""
    stamps: tuple[str, ...]
    """Pictures, as paths below the folder of stamps."""
    sounds: tuple[SoundRecipe, ...]


def _name(noun: str) -> str:
    return noun.removeprefix("pair of ").replace(" ", "_")


def _music(noun: str, verb: str, emoji: str, sound: SoundRecipe, *stamps: str) -> Category:
    paths = tuple(f"hobbies/music/{stamp}" for stamp in stamps)
    return Category(_name(noun), noun, verb, "music", tuple(emoji.split()), paths, (sound,))


def _life(
    noun: str, verb: str, emoji: str, sounds: tuple[SoundRecipe, ...], stamps: str = ""
) -> Category:
    return Category(
        _name(noun),
        noun,
        verb,
        "lifescene",
        tuple(emoji.split()),
        tuple(stamps.split()),
        sounds,
    )


def _beast(noun: str, verb: str, emoji: str, recordings: str, stamps: str = "") -> Category:
    """Return an animal whose pictures and recordings are below `animals/`."""
    return _life(
        noun,
        verb,
        emoji,
        (Recorded(tuple(f"animals/{name}.ogg" for name in recordings.split())),),
        " ".join(f"animals/{name}" for name in stamps.split()),
    )


def _drums(*keys: int) -> Melody:
    return Melody((0,), 0, 0, "beat", keys)


MUSIC = (
    _music("electric guitar", "plays a riff", "1f3b8", Melody((29, 30), 45, 69, "chords"),
           "string/guitar_electric.png"),
    _music("banjo", "is plucked", "1fa95", Melody((105,), 50, 76, "broken")),
    _music("violin", "plays a tune", "1f3bb", Melody((40,), 62, 91),
           "string/violin.png", "string/violin2.svg"),
    _music("piano", "plays chords", "1f3b9", Melody((0, 1), 48, 84, "chords")),
    _music("trumpet", "plays a fanfare", "1f3ba", Melody((56,), 60, 84), "brass/trumpet.png"),
    _music("saxophone", "plays jazz", "1f3b7", Melody((66, 67), 44, 68)),
    _music("drum", "is drummed", "1f941", _drums(38, 40, 37), "percussion/drum_tomtom_floor.png"),
    _music("conga", "is tapped", "1fa98", _drums(60, 61, 62, 63, 64)),
    _music("accordion", "plays a waltz", "1fa97", Melody((21,), 60, 84, "chords")),
    _music("flute", "plays softly", "1fa88", Melody((73,), 72, 96)),
    _music("pair of maracas", "rattles", "1fa87", _drums(70, 82)),
    _music("bell", "tolls", "1f514", Melody((14,), 55, 76)),
    _music("microphone", "sings", "1f3a4", Melody((52, 53), 50, 74, "chords")),
    _music("horn", "sounds a call", "1f4ef", Melody((60,), 41, 62)),
    _music("carousel", "plays its organ", "1f3a0", Melody((82,), 60, 88, "broken")),
    _music("wind chime", "tinkles", "1f390", Melody((9,), 86, 103, "broken")),
    _music("church", "plays its organ", "26ea", Melody((19,), 48, 76, "chords")),
    _music("game controller", "plays chiptunes", "1f3ae", Melody((80,), 62, 88, "broken")),
    _music("oil drum", "plays calypso", "1f6e2", Melody((114,), 62, 82, "broken")),
    _music("loudspeaker", "thumps", "1f50a", Melody((38, 39), 28, 45)),
)  # fmt: skip

ANIMALS = (
    _beast("dog", "barks", "1f415 1f436 1f429", "mammals/dogs/dog", "mammals/dogs/dog.png"),
    _life("cat", "meows", "1f408 1f431", (Recorded(("seasonal/halloween/blackcat.ogg",)),),
          "animals/mammals/cats/kitten.svg seasonal/halloween/blackcat.png"),
    _beast("cow", "moos", "1f404 1f42e", "mammals/bovines/cow_white",
           "mammals/bovines/cow.png mammals/bovines/cow_white.png"),
    _beast("pig", "grunts", "1f416 1f437", "mammals/pig mammals/pig_golden mammals/pig_golden2",
           "mammals/pig.png mammals/pig_golden.png mammals/pig_golden2.png"),
    _beast("sheep", "bleats", "1f411", "mammals/bovines/sheep",
           "mammals/bovines/sheep.png mammals/bovines/sheep_lamb.png"),
    _beast("goat", "bleats loudly", "1f410", "mammals/bovines/goat",
           "mammals/bovines/goat.png mammals/bovines/mountaingoat.png"),
    _beast("horse", "neighs", "1f40e 1f434", "mammals/equines/horse", "mammals/equines/horse.png"),
    _beast("donkey", "brays", "1facf", "mammals/equines/donkey",
           "mammals/equines/donkey.png mammals/equines/donkey_eating.png"),
    _beast("rooster", "crows", "1f413", "birds/rooster", "birds/rooster.png"),
    _beast("duck", "quacks", "1f986", "birds/duck", "birds/duck.png birds/drake.png"),
    _beast("turkey", "gobbles", "1f983", "birds/turkey", "birds/turkey.png"),
    _beast("owl", "hoots", "1f989", "birds/owl", "birds/owl.png"),
    _beast("bird", "sings", "1f426", "birds/blackbird", "birds/blackbird.png"),
    _beast("penguin", "calls", "1f427", "birds/penguin",
           "birds/penguin.png birds/magellanic_penguin.png birds/little-penguin.png"),
    _beast("frog", "croaks", "1f438", "amphibians/frog",
           "amphibians/frog.png amphibians/frog-1.png"),
    _beast("bee", "buzzes", "1f41d", "insects/bee", "insects/bee.png"),
    _beast("mosquito", "whines", "1f99f", "insects/mosquito"),
    _beast("cricket", "chirps", "1f997", "insects/grasshopper", "insects/grasshopper.png"),
    _beast("elephant", "trumpets", "1f418", "mammals/elephant", "mammals/elephant.png"),
    _beast("lion", "roars", "1f981", "mammals/cats/lion",
           "mammals/cats/lion.png mammals/cats/lion-2.png"),
    _beast("bear", "growls", "1f43b", "mammals/bears/bear",
           "mammals/bears/bear.png mammals/bears/european-bear.png"),
    _beast("monkey", "chatters", "1f412 1f435", "mammals/apes/chimp", "mammals/apes/chimp.png"),
    _beast("whale", "moans", "1f40b 1f433", "mammals/aquatic/whale", "mammals/aquatic/whale.png"),
    _beast("dolphin", "clicks", "1f42c", "mammals/aquatic/dolphin", "mammals/aquatic/dolphin.png"),
    _beast("seal", "barks hoarsely", "1f9ad", "mammals/aquatic/sea_lion",
           "mammals/aquatic/sea_lion.png"),
    _beast("mouse", "squeaks", "1f401 1f42d", "mammals/rodents/mouse",
           "mammals/rodents/mouse.png mammals/rodents/rat.png"),
    _life("snake", "hisses", "1f40d", (Synthesised(synthesis.hiss),)),
    _life("wolf", "howls", "1f43a", (Synthesised(synthesis.howl),)),
    _life("chick", "cheeps", "1f424 1f425", (Synthesised(synthesis.chirp),)),
)  # fmt: skip

VEHICLES = (
    _life("car", "honks", "1f697 1f698 1f699", (Synthesised(synthesis.car_horn),),
          "vehicles/auto/beetle.png vehicles/auto/sedan.png vehicles/auto/sportscar2.png"),
    _life("fire engine", "wails", "1f692",
          (Synthesised(synthesis.siren_wail),),
          "vehicles/emergency/firetruck.png vehicles/emergency/cartoon/fire_engine.png"),
    _life("police car", "yelps", "1f693 1f694", (Synthesised(synthesis.siren_yelp),)),
    _life("ambulance", "sounds its siren", "1f691", (Synthesised(synthesis.siren_two_tone),)),
    _life("locomotive", "puffs and whistles", "1f682", (Synthesised(synthesis.steam_train),),
          "vehicles/locomotive/cartoon/toy_train.png"),
    _life("helicopter", "chops the air", "1f681", (Melody((125,), 52, 68, "held"),),
          "vehicles/flight/cartoon/eddieCopter.png"),
    _life("airplane", "roars past", "2708 1f6e9", (Synthesised(synthesis.jet),),
          "vehicles/flight/planes/747.png vehicles/flight/planes/cartoon/plane.png"),
    _life("motorcycle", "revs", "1f3cd", (Synthesised(synthesis.motorcycle),),
          "vehicles/cycle/motorbike.svg"),
    _life("ship", "sounds its horn", "1f6a2", (Synthesised(synthesis.ship_horn),),
          "vehicles/ship/cartoon/tugboat.png"),
    _life("tractor", "chugs", "1f69c", (Synthesised(synthesis.tractor),),
          "vehicles/farming/cartoon/tractor.svg"),
    _life("rocket", "rumbles", "1f680", (Synthesised(synthesis.rocket),),
          "space/rocket1.svg space/rocket2.svg"),
    _life("flying saucer", "warbles", "1f6f8", (Synthesised(synthesis.flying_saucer),)),
    _life("bicycle", "rings its bell", "1f6b2", (Synthesised(household.bicycle_bell),),
          "vehicles/cycle/bluebike.svg"),
)  # fmt: skip

THINGS = (
    _life("alarm clock", "beeps", "23f0", (Synthesised(household.beeper),)),
    _life("telephone", "rings", "260e", (Synthesised(household.telephone_ring),),
          "household/electronics/phone.svg"),
    _life("hammer", "knocks", "1f528",
          (Synthesised(household.hammering), Recorded(("household/tools/hammer.ogg",))),
          "household/tools/hammer.png household/tools/hammer2.svg"),
    _life("saw", "rasps", "1fa9a",
          (Synthesised(household.sawing), Recorded(("household/tools/saw.ogg",))),
          "household/tools/saw.png"),
    _life("pair of scissors", "snips", "2702",
          (Synthesised(household.snipping),
           Recorded(("household/arttools/scissors_small_open.ogg",
                     "household/arttools/scissors_small_closed.ogg"))),
          "household/arttools/scissors_small_open.png"
          " household/arttools/scissors_small_closed.png"),
    _life("teapot", "whistles", "1fad6", (Synthesised(household.kettle_whistle),),
          "household/dishes/teapot.png household/kettle.png"),
    _life("toilet", "flushes", "1f6bd",
          (Synthesised(household.flushing), Recorded(("household/toilet.ogg",))),
          "household/toilet.png"),
    _life("camera", "clicks", "1f4f7",
          (Synthesised(household.shutter), Recorded(("hobbies/camera_35mm.ogg",))),
          "hobbies/camera_35mm.png household/electronics/camera.svg"),
    _life("firecracker", "bangs", "1f9e8",
          (Synthesised(household.firecrackers), Recorded(("seasonal/newyears/fireworks.ogg",)))),
    _life("thundercloud", "thunders", "1f329",
          (Synthesised(household.thunder), Recorded(("naturalforces/lightningbolt.ogg",)))),
    _life("rain cloud", "rains", "1f327", (Synthesised(household.rain),)),
    _life("baby", "cries", "1f476", (Synthesised(synthesis.cry),)),
    _life("mantel clock", "ticks", "1f570", (Synthesised(household.ticking),)),
    _life("pair of hands", "claps", "1f44f", (Melody((126,), 54, 72, "held"),)),
    _life("robot", "bleeps", "1f916", (Synthesised(household.robot_talk),)),
    _life("keyboard", "clatters", "2328", (Synthesised(household.typing),)),
    _life("fire", "crackles", "1f525", (Synthesised(household.fire),), "naturalforces/fire.png"),
    _life("basketball", "bounces", "1f3c0", (Synthesised(household.bouncing),),
          "sports/basketball.png"),
    _life("heart", "beats", "2764 1fac0", (Synthesised(synthesis.heartbeat),)),
)  # fmt: skip

CATEGORIES = MUSIC + ANIMALS + VEHICLES + THINGS
