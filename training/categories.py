"""The categories of real films: how each is spoken of, heard and seen.

Sources of the names: the AudioSet ontology, as the 521 display names of YAMNet's class map, for
what is heard; ImageNet-1k for what is seen; Caltech-101 for photographs; and the classes of
AVSBench's single-source set (23) and of MUSIC. An instrument that AudioSet has no class for goes
with the nearest broader one: a pipa is a plucked string instrument, an erhu a bowed one, a conga
a drum, an oboe a woodwind instrument, a tuba a brass instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from training.scene import Profile

Kind = Literal["person", "animal", "instrument", "vehicle", "thing", "nature", "unknown"]


@dataclass(frozen=True, slots=True)
class FilmCategory:
    """A category of what can sound in a film."""

    name: str
    noun: str
    verb: str
    profile: Profile
    kind: Kind
    heard: tuple[str, ...]
    """Display names of AudioSet classes that are the sound of it; no class has two categories."""
    seen: tuple[int, ...]
    """ImageNet-1k classes that show it, or what looks most like it if there is none of it; only
    people and instruments share them."""
    photos: tuple[str, ...]
    """Folders of Caltech-101 that show it."""
    recordings: tuple[str, ...]
    """Patterns of names of sound files that are the sound of it."""


def _numbers(ranges: str) -> tuple[int, ...]:
    """Return the numbers of "7 10-12"."""
    bounds = (part.partition("-") for part in ranges.split())
    return tuple(n for low, _, high in bounds for n in range(int(low), int(high or low) + 1))


def _category(
    kind: Kind,
    noun: str,
    verb: str,
    heard: str,
    seen: str = "",
    photos: str = "",
    sounds: str = "",
    *,
    name: str | None = None,
    profile: Profile = "lifescene",
) -> FilmCategory:
    """Return a category whose AudioSet classes are separated by "; ", the rest by spaces."""
    return FilmCategory(
        name=name or noun.replace(" ", "_"),
        noun=noun,
        verb=verb,
        profile=profile,
        kind=kind,
        heard=tuple(heard.split("; ")) if heard else (),
        seen=_numbers(seen),
        photos=tuple(photos.split()),
        recordings=tuple(f"sounds_{stem}.ogg" for stem in sounds.split()),
    )


_ADULT = "981-982"
_AROUND_A_BABY = "431 443 516 520 529 680"
"""Bassinet, bib, cradle, crib, diaper, nipple of a bottle: ImageNet has no baby."""
_FACES = "Faces_easy"


def _person(
    name: str,
    noun: str,
    verb: str,
    heard: str,
    seen: str = "",
    photos: str = "",
    profile: Profile = "lifescene",
) -> FilmCategory:
    return _category("person", noun, verb, heard, seen, photos, name=name, profile=profile)


_music = partial(_category, "instrument", profile="music")
_beast = partial(_category, "animal")
_vehicle = partial(_category, "vehicle")
_thing = partial(_category, "thing")


def _nature(
    name: str, noun: str, verb: str, heard: str, seen: str = "", sounds: str = ""
) -> FilmCategory:
    return _category("nature", noun, verb, heard, seen, "", sounds, name=name)


PEOPLE = (
    _person("person_speaking", "person", "speaks",
            "Speech; Conversation; Narration, monologue; Whispering", _ADULT, _FACES),
    _person("child_speaking", "child", "speaks", "Child speech, kid speaking; Babbling"),
    _person("person_singing", "singer", "sings",
            "Singing; Choir; Yodeling; Chant; Mantra; Child singing; Rapping; Humming; A capella",
            _ADULT, _FACES, "music"),
    _person("person_laughing", "person", "laughs",
            "Laughter; Giggle; Snicker; Belly laugh; Chuckle, chortle", _ADULT, _FACES),
    _person("person_shouting", "person", "shouts",
            "Shout; Bellow; Whoop; Yell; Children shouting; Screaming", _ADULT, _FACES),
    _person("person_clapping", "person", "claps", "Clapping; Applause", _ADULT),
    _person("person_walking", "person", "walks", "Walk, footsteps; Run", _ADULT),
    _person("baby", "baby", "cries", "Baby cry, infant cry", _AROUND_A_BABY),
    _person("baby_laughing", "baby", "laughs", "Baby laughter", _AROUND_A_BABY),
    _person("crowd", "crowd", "makes noise",
            "Crowd; Cheering; Chatter; Hubbub, speech noise, speech babble"),
)  # fmt: skip

INSTRUMENTS = (
    _music("acoustic guitar", "is strummed", "Acoustic guitar; Guitar; Strum", "402"),
    _music("electric guitar", "plays a riff",
           "Electric guitar; Steel guitar, slide guitar; Tapping (guitar technique)",
           "546", "electric_guitar"),
    _music("bass guitar", "plays a bass line", "Bass guitar", "546"),
    _music("banjo", "is plucked", "Banjo", "420"),
    _music("ukulele", "is strummed", "Ukulele", "402"),
    _music("mandolin", "is picked", "Mandolin", "402 420", "mandolin"),
    _music("plucked string instrument", "is played",
           "Plucked string instrument; Sitar; Zither", name="plucked_string"),
    _music("violin", "plays a tune", "Violin, fiddle; Pizzicato", "889"),
    _music("cello", "plays a slow tune", "Cello", "486"),
    _music("double bass", "plays low notes", "Double bass", "486"),
    _music("bowed string instrument", "is played", "Bowed string instrument",
           name="bowed_string"),
    _music("harp", "is plucked", "Harp", "594"),
    _music("piano", "plays chords", "Piano", "579 881", "grand_piano", "piano"),
    _music("electronic keyboard", "plays chords",
           "Keyboard (musical); Electric piano; Synthesizer; Sampler"),
    _music("organ", "plays a hymn", "Organ; Electronic organ; Hammond organ", "687"),
    _music("trumpet", "plays a fanfare", "Trumpet", "513"),
    _music("trombone", "slides", "Trombone", "875"),
    _music("french horn", "sounds a call", "French horn", "566"),
    _music("brass instrument", "is played", "Brass instrument", "", "euphonium", name="brass"),
    _music("saxophone", "plays jazz", "Saxophone", "776", "saxophone"),
    _music("clarinet", "plays a tune", "Clarinet", "683"),
    _music("flute", "plays softly", "Flute", "558"),
    _music("woodwind instrument", "is played", "Wind instrument, woodwind instrument",
           "432 683-684 699", name="woodwind"),
    _music("set of bagpipes", "drones", "Bagpipes", name="bagpipes"),
    _music("harmonica", "plays the blues", "Harmonica", "593"),
    _music("accordion", "plays a waltz", "Accordion", "401", "accordion"),
    _music("drum", "is drummed",
           "Drum; Drum kit; Snare drum; Rimshot; Drum roll; Bass drum; Timpani", "541"),
    _music("tabla", "is tapped", "Tabla", "541"),
    _music("cymbal", "crashes", "Cymbal; Hi-hat", "541"),
    _music("gong", "resounds", "Gong", "577"),
    _music("tambourine", "jingles", "Tambourine"),
    _music("xylophone", "is struck", "Marimba, xylophone; Mallet percussion; Vibraphone", "642"),
    _music("glockenspiel", "tinkles", "Glockenspiel", "642"),
    _music("steel drum", "plays calypso", "Steelpan", "822"),
    _music("pair of maracas", "rattles", "Maraca; Rattle (instrument)", "641", name="maracas"),
    _music("bell", "tolls", "Bell; Church bell; Change ringing (campanology); Tubular bells",
           "442", "", "church_bells_*"),
    _music("wind chime", "tinkles", "Wind chime; Chime", "494"),
)  # fmt: skip

ANIMALS = (
    _beast("dog", "barks", "Dog; Bark; Yip; Howl; Bow-wow; Growling; Whimper (dog)",
           "151-268", "dalmatian", "dog_bark puppy_bark"),
    _beast("wolf", "howls", "Canidae, dogs, wolves", "269-275", "", "wolf_*"),
    _beast("cat", "meows", "Cat; Purr; Meow; Caterwaul", "281-285", "", "cat_meow"),
    _beast("lion", "roars", "Roaring cats (lions, tigers); Roar", "291", "",
           "lion_bellow tiger_*"),
    _beast("horse", "neighs", "Horse; Clip-clop; Neigh, whinny", "339", "", "gallop_* horse_*"),
    _beast("cow", "moos", "Cattle, bovinae; Moo", "345-346", "", "cow_moo_*"),
    _beast("pig", "grunts", "Pig; Oink", "341-342", "", "pig_*"),
    _beast("sheep", "bleats", "Sheep; Bleat", "348-349", "", "lamb sheep_baa"),
    _beast("goat", "bleats loudly", "Goat", "350", "", "goat_bleat_*"),
    _beast("rooster", "crows", "Crowing, cock-a-doodle-doo", "7", "rooster", "rooster"),
    _beast("chicken", "clucks", "Chicken, rooster; Cluck", "8", "", "chicken_*"),
    _beast("duck", "quacks", "Duck; Quack", "97-98", "", "duck_quack_*"),
    _beast("goose", "honks", "Goose; Honk", "99", "", "goose"),
    _beast("turkey", "gobbles", "Turkey; Gobble", "", "", "turkey_gobble"),
    _beast("owl", "hoots", "Owl; Hoot", "24", "", "owl_hoot"),
    _beast("pigeon", "coos", "Pigeon, dove; Coo", "", "pigeon"),
    _beast("crow", "caws", "Crow; Caw", "", "", "crow_caw"),
    _beast("parrot", "squawks", "Squawk", "87-90", "", "parrot_*"),
    _beast("bird", "calls", "Bird; Bird vocalization, bird call, bird song; Chirp, tweet",
           "9-23 80-86 91-96 100 127-146", "flamingo ibis",
           "bird_* canary_* peacock_* penguin_* seagull*"),
    _beast("frog", "croaks", "Frog; Croak", "30-32", "", "frog"),
    _beast("snake", "hisses", "Snake; Hiss; Rattle", "52-68", "", "cobra_* snake_rattle"),
    _beast("bee", "buzzes", "Bee, wasp, etc.; Buzz", "309", "", "bee bees bumble_bee_*"),
    _beast("fly", "buzzes", "Fly, housefly", "308"),
    _beast("mosquito", "whines", "Mosquito"),
    _beast("cricket", "chirps", "Cricket", "311-312", "", "cricket grasshopper cicada_*"),
    _beast("mouse", "squeaks", "Mouse; Rodents, rats, mice"),
    _beast("whale", "moans", "Whale vocalization", "147-148", "", "whale"),
)  # fmt: skip

VEHICLES = (
    _vehicle("car", "drives by",
             "Car; Car passing by; Vehicle horn, car horn, honking; Toot; Car alarm; Skidding; "
             "Tire squeal",
             "436 468 511 609 627 656 661 817", "car_side", "car_motor vehicle_*"),
    _vehicle("racing car", "speeds by", "Race car, auto racing", "573 751"),
    _vehicle("bus", "rumbles along", "Bus", "654 779 874"),
    _vehicle("truck", "rumbles by", "Truck; Air brake; Air horn, truck horn; Reversing beeps",
             "569 675 717 864 867"),
    _vehicle("motorcycle", "revs", "Motorcycle", "665 670", "Motorbikes", "motorbike_idle"),
    _vehicle("bicycle", "rings its bell", "Bicycle; Bicycle bell", "444 671", "", "bicycle_bell"),
    _vehicle("skateboard", "rolls", "Skateboard"),
    _vehicle("fire engine", "wails", "Fire engine, fire truck (siren)", "555"),
    _vehicle("police car", "blares", "Police car (siren)", "734"),
    _vehicle("ambulance", "sounds its siren", "Ambulance (siren)", "407"),
    _vehicle("train", "rattles past",
             "Train; Train whistle; Train horn; Train wheels squealing; Rail transport; "
             "Railroad car, train wagon; Subway, metro, underground; Steam whistle",
             "466 547 565 705 820 829", "", "train_whistle"),
    _vehicle("airplane", "roars past",
             "Fixed-wing aircraft, airplane; Aircraft engine; Jet engine; Propeller, airscrew",
             "404 895 908", "airplanes", "airplane_prop jet_*"),
    _vehicle("helicopter", "chops the air", "Helicopter", "", "helicopter", "helicopter"),
    _vehicle("ship", "sounds its horn", "Ship; Foghorn", "403 510 628 780", "ferry"),
    _vehicle("boat", "moves through water",
             "Boat, Water vehicle; Motorboat, speedboat; Rowboat, canoe, kayak; "
             "Sailboat, sailing ship",
             "472 484 554 576 625 814 871 914", "ketch"),
)  # fmt: skip

THINGS = (
    _thing("alarm clock", "beeps", "Alarm clock", "530"),
    _thing("clock", "ticks", "Clock; Tick; Tick-tock", "409 826 892", "",
           "clock_tick watch_tick"),
    _thing("telephone", "rings",
           "Telephone; Telephone bell ringing; Ringtone; Telephone dialing, DTMF; Dial tone; "
           "Busy signal",
           "487 528 707", "cellphone"),
    _thing("doorbell", "rings", "Doorbell; Ding-dong", "", "", "doorbell_*"),
    _thing("siren", "sounds", "Siren; Civil defense siren"),
    _thing("whistle", "blows", "Whistle", "902"),
    _thing("hammer", "knocks", "Hammer", "587"),
    _thing("saw", "rasps", "Sawing"),
    _thing("chainsaw", "roars", "Chainsaw", "491"),
    _thing("drill", "whirs", "Drill", "740"),
    _thing("lawn mower", "drones", "Lawn mower", "621"),
    _thing("vacuum cleaner", "hums", "Vacuum cleaner", "882"),
    _thing("blender", "whirs", "Blender"),
    _thing("hair dryer", "blows", "Hair dryer", "589"),
    _thing("electric fan", "whirs", "Mechanical fan", "545"),
    _thing("sewing machine", "clatters", "Sewing machine", "786"),
    _thing("keyboard", "clatters", "Typing; Computer keyboard; Typewriter", "508 810 878",
           name="typing"),
    _thing("printer", "whirs", "Printer", "713 742"),
    _thing("camera", "clicks", "Camera; Single-lens reflex camera", "732 759", "camera"),
    _thing("pair of scissors", "snips", "Scissors", "", "scissors", name="scissors"),
    _thing("teapot", "whistles", "Steam; Boiling", "849"),
    _thing("frying pan", "sizzles", "Frying (food); Sizzle", "567 909"),
    _thing("toilet", "flushes", "Toilet flush", "861"),
    _thing("water tap", "runs",
           "Water tap, faucet; Sink (filling or washing); Bathtub (filling or washing)",
           "896", name="tap"),
    _thing("door", "bangs", "Door; Sliding door; Slam; Knock", "799", "", "door_knock_*"),
    _thing("gun", "fires",
           "Gunshot, gunfire; Machine gun; Fusillade; Artillery fire; Cap gun",
           "413 471 763-764", "revolver", "pistol_fire_0* rifle_fire_0*"),
    _thing("explosion", "booms", "Explosion; Boom", "", "", "explosion_0*"),
    _thing("firework", "bangs", "Fireworks; Firecracker", "", "", "fireworks_*",
           name="fireworks"),
    _thing("basketball", "bounces", "Basketball bounce", "430"),
)  # fmt: skip

NATURE = (
    _nature("thunder", "thunderstorm", "rumbles", "Thunderstorm; Thunder", "", "thunder_*"),
    _nature("rain", "rain shower", "patters", "Rain; Raindrop; Rain on surface", "", "rain_*"),
    _nature("wind", "wind", "blows", "Wind; Rustling leaves"),
    _nature("waves", "wave", "breaks", "Ocean; Waves, surf", "978"),
    _nature("stream", "stream", "babbles", "Water; Stream; Trickle, dribble; Gurgling"),
    _nature("waterfall", "waterfall", "roars", "Waterfall"),
    _nature("fire", "fire", "crackles", "Fire; Crackle", "", "fire_crackle"),
)  # fmt: skip

SOMETHING = FilmCategory("something", "something", "sounds", "lifescene", "unknown", (), (), (), ())
"""What sounds and has no name of its own."""

CATEGORIES = (*PEOPLE, *INSTRUMENTS, *ANIMALS, *VEHICLES, *THINGS, *NATURE, SOMETHING)

_NAMES = frozenset(category.name for category in CATEGORIES)

_BROADER_OF_KIND: Mapping[Kind, str] = {
    "instrument": "Music; Musical instrument",
    "animal": "Animal; Domestic animals, pets; Livestock, farm animals, working animals; "
              "Wild animals",
    "vehicle": "Vehicle; Engine; Motor vehicle (road); Traffic noise, roadway noise",
}  # fmt: skip

_BROADER = {
    "Music; Musical instrument; Percussion":
        "drum tabla cymbal gong tambourine xylophone glockenspiel steel_drum maracas",
    "Music; Vocal music; Song; Opera; Background music": "person_singing",
    "Crying, sobbing; Whimper; Wail, moan": "baby",
    "Laughter": "baby_laughing",
    "Speech": "child_speaking",
    "Animal; Wild animals; Bird; Bird vocalization, bird call, bird song; Fowl":
        "rooster chicken duck goose turkey owl pigeon crow parrot",
    "Animal; Insect": "bee fly mosquito cricket",
    "Vehicle; Aircraft; Engine": "airplane helicopter",
    "Emergency vehicle; Siren; Vehicle": "fire_engine police_car ambulance",
    "Vehicle; Bicycle": "bicycle skateboard",
    "Tools; Wood; Chop; Bang; Whack, thwack; Thump, thud; Clang": "hammer",
    "Tools; Power tool; Engine; Wood": "saw chainsaw drill lawn_mower",
    "Engine; Mechanisms; Power tool; Whir":
        "vacuum_cleaner blender hair_dryer electric_fan sewing_machine printer",
    "Alarm; Beep, bleep; Buzzer": "alarm_clock telephone doorbell siren",
    "Clicking; Mechanisms": "camera scissors typing clock",
    "Water; Liquid; Pour; Splash, splatter": "tap toilet teapot waves stream waterfall rain",
}  # fmt: skip


GENERIC: Mapping[str, str] = {
    kind: generic
    for generic, kinds in {
        "plucked_string": "acoustic_guitar electric_guitar bass_guitar banjo ukulele mandolin harp",
        "bowed_string": "violin cello double_bass",
        "brass": "trumpet trombone french_horn",
        "woodwind": "saxophone clarinet flute bagpipes",
        "bird": "rooster chicken duck goose turkey owl pigeon crow parrot",
        "siren": "fire_engine police_car ambulance",
    }.items()
    for kind in kinds.split()
}
"""Category -> the generic category that it is a kind of."""


def broader(category: FilmCategory) -> tuple[str, ...]:
    """Return the broader AudioSet classes, parents in its ontology or confused with it."""
    for classes, names in _BROADER.items():
        if category.name in names.split():
            return tuple(classes.split("; "))
    classes = _BROADER_OF_KIND.get(category.kind, "")
    return tuple(classes.split("; ")) if classes else ()


def of_kind(kind: Kind) -> frozenset[str]:
    """Return the names of the categories of a kind."""
    return frozenset(category.name for category in CATEGORIES if category.kind == kind)


_OF_PACK = {
    "chick": "chicken",
    "conga": "drum",
    "firecracker": "fireworks",
    "hands": "person_clapping",
    "horn": "brass",
    "keyboard": "typing",
    "locomotive": "train",
    "mantel_clock": "clock",
    "oil_drum": "steel_drum",
    "penguin": "bird",
    "rain_cloud": "rain",
    "thundercloud": "thunder",
}


def film_category(pack_name: str) -> str:
    """Return the name here of a category of the collected pack, `something` if it has none."""
    name = _OF_PACK.get(pack_name, pack_name)
    return name if name in _NAMES else SOMETHING.name
