from dataclasses import replace

import pytest

from training.scenes.script import (
    Actor,
    Backdrop,
    Camera,
    Look,
    Motion,
    Room,
    Script,
    Voice,
    has_change,
    has_distractor,
    has_duet,
    has_silence,
    has_solo,
)

PATH = Motion(start=(0.2, 0.5), end=(0.8, 0.5), size=0.4)


def _actor(category: str, schedule: str, motion: Motion = PATH) -> Actor:
    voice = Voice(category, 0, 0.0, tuple(second == "x" for second in schedule))
    return Actor(voice, 0, Look(), motion)


def _script(*actors: Actor, unseen: tuple[Voice, ...] = (), camera: Camera | None = None) -> Script:
    return Script(
        seed=(1,),
        split="train",
        seconds=4,
        aspect=1.0,
        backdrop=Backdrop(0),
        camera=camera or Camera(),
        room=Room(),
        actors=actors,
        unseen=unseen,
    )


def test_a_path_leads_from_start_to_end_over_the_whole_clip() -> None:
    script = _script(_actor("dog", "xxxx"))

    poses = [script.pose(script.actors[0], seconds) for seconds in (0, 2, 4)]

    assert [pose.x for pose in poses] == pytest.approx([0.2, 0.5, 0.8])


def test_growth_is_size_at_the_end_over_size_at_the_start() -> None:
    script = _script(_actor("dog", "xxxx", replace(PATH, growth=1.44)))

    first, middle, last = (script.pose(script.actors[0], seconds).size for seconds in (0, 2, 4))

    assert last / first == pytest.approx(1.44)
    assert middle == pytest.approx(0.4)


def test_a_thing_that_shakes_when_it_sounds_is_calm_when_it_is_silent() -> None:
    actor = replace(_actor("dog", "x...", replace(PATH, end=PATH.start)), shaking="sounding")
    script = _script(actor)

    loud, calm = script.pose(actor, 0.53), script.pose(actor, 1.53)

    assert (loud.x, loud.degrees) != (0.2, 0.0)
    assert (calm.x, calm.degrees) == (0.2, 0.0)


def test_the_camera_moves_everything_alike() -> None:
    one, other = _actor("dog", "...."), _actor("cat", "....", replace(PATH, start=(0.5, 0.1)))
    still = _script(one, other)
    swaying = replace(still, camera=Camera(sway=0.02, hertz=0.3))

    shifts = [
        (
            swaying.pose(a, 1.0).x - still.pose(a, 1.0).x,
            swaying.pose(a, 1.0).y - still.pose(a, 1.0).y,
        )
        for a in (one, other)
    ]

    assert shifts[0] == pytest.approx(shifts[1])
    assert shifts[0] == pytest.approx(swaying.camera.offset(1.0))


def test_the_properties_of_a_script_are_read_off_its_schedule() -> None:
    duet = _script(_actor("dog", "xx.."), _actor("cat", ".xxx"))
    solo = _script(_actor("dog", "xxxx"), _actor("cat", "...."))
    quiet = _script(_actor("dog", "x.xx"))

    assert (has_duet(duet), has_change(duet), has_silence(duet)) == (True, True, False)
    assert (has_duet(solo), has_change(solo), has_distractor(solo)) == (False, False, True)
    assert (has_solo(solo), has_solo(duet), has_solo(quiet)) == (True, False, False)
    assert (has_silence(quiet), has_change(quiet), has_distractor(quiet)) == (True, False, False)


def test_an_unseen_voice_is_heard_but_changes_nothing_that_is_seen() -> None:
    hidden = Voice("owl", 0, 0.0, (True, True, False, False))
    script = _script(_actor("dog", "xx.."), unseen=(hidden,))

    assert [len(script.heard(second)) for second in range(4)] == [2, 2, 0, 0]
    assert has_duet(script)
    assert not has_change(script)
