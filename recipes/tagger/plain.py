"""Plain sentences: what the marked ones, written for their variety, are short of. Made of phrases, with their marks.

Which decision slowing or stopping is depends on its cause, so phrases are combined by the kind of cause.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from .marks import Marked, unmarked

SLOW = (
    "slow down|reduce speed|decelerate|ease off|brake gently|brake|lower the speed|lift off the throttle|ease off the gas"
    "|slow a little|cut the speed|drop the speed|reduce the pace|slow|brake early|slow to 30|brake lightly|come off the gas"
).split("|")
STOP = (
    "stop|come to a stop|brake to a stop|halt|come to a halt|slow to a stop|make a full stop|stop at the line|stop completely"
    "|bring the car to a standstill|wait at the line|remain stopped|stay stopped|hold position|come to rest"
).split("|")
ADAPT = "adapt speed|adapt the speed|adjust speed|adapt our speed|take it slowly|go slowly|approach slowly|creep".split("|")
YIELD = (
    "yield|give way|wait|let them go first|give them priority|let them pass|slow down to yield|stop to yield|wait for them to pass"
    "|concede the right of way|let them through|hold back and let them go"
).split("|")
FOLLOW = (
    "keep distance|keep a safe distance|keep distance to the lead vehicle|follow the lead vehicle|follow it at a safe distance"
    "|match its speed|stay behind it|keep the gap|maintain a safe gap|maintain the following distance|hang back|increase the gap"
    "|keep a two second gap|follow the car ahead|open up the gap|keep following|stay behind the lead vehicle"
).split("|")
HOLD = (
    "keep speed|maintain speed|hold speed|keep the current speed|maintain the set speed|hold the current speed|keep a steady speed"
    "|continue at the current speed|proceed|accelerate to the speed limit|resume speed|resume the set speed|speed up|go"
    "|accelerate to the set speed|carry on|drive on|continue|cruise at 50 km/h|track the set speed|pick up speed|accelerate gently"
    "|return to the set speed|proceed at the posted speed|keep going"
).split("|")
PASS = (
    "overtake|pass|accelerate to pass|accelerate to overtake|speed up to pass|overtake it|pass it|get past it|speed up to get by"
    "|pass the slower vehicle|overtake the slow truck|accelerate past it"
).split("|")
GAP = (
    "look for a gap|search for a gap|find a gap|wait for a gap|adjust speed to find a gap|slow down to find a gap|seek an opening"
    "|speed up slightly to reach the gap|look for an opening|adapt speed to fit into a gap"
).split("|")

CAUSES = {
    "lead": (
        "the lead vehicle is slowing down|the car ahead is braking|the vehicle in front is slower|the truck in front brakes hard"
        "|the bus ahead is slowing for its stop|a car has just cut in ahead of us|the lead vehicle is turning right"
        "|the queue ahead is moving slowly|the traffic in front is slowing|the van ahead is changing lanes"
        "|the motorcycle in front of us is decelerating|the vehicles ahead are stopped in our lane|the gap to the lead car is closing"
    ),
    "crossing": (
        "a pedestrian is crossing|a cyclist is crossing the road|a child ran into the street|people are on the crosswalk"
        "|a deer is crossing the road|a pedestrian steps off the curb|a tram is crossing|an ambulance is crossing the junction"
        "|the oncoming car has priority|a car is merging into our lane from the ramp|cross traffic has the right of way"
        "|a cyclist has the right of way|there is a yield sign|a bus is pulling out of its stop"
    ),
    "control": (
        "the light is red|the traffic light turned yellow|there is a stop sign|the signal ahead is red|the light is turning amber"
        "|the barrier is closed|the light is still red|the traffic signal turns red"
    ),
    "road": (
        "there is a sharp curve ahead|the road narrows|the road is wet|there is a speed bump|there is construction ahead"
        "|visibility is poor in the fog|the speed limit drops to 30|we are near a school|the bend is tight|snow makes the road slippery"
        "|children are playing near the curb|a pedestrian is standing at the roadside|there are cones on the right|the view is blocked"
        "|the road turns sharply to the left|our exit is coming up"
    ),
    "clear": (
        "the road ahead is clear|nothing is in the way|the lane is free|there is no lead vehicle|the light is green"
        "|the light turned green|the pedestrian has already crossed|the speed limit is 80 here|the intersection is clear"
        "|the construction zone has ended|the car ahead has turned off|the lead vehicle has moved away|traffic is light"
    ),
    "slower": (
        "the truck ahead is slow|a tractor is crawling along|the vehicle in front is well below the limit|a slow cyclist is ahead"
        "|the oncoming lane is empty|the left lane is free|a slow moving vehicle is blocking us"
    ),
    "standing": (
        "a parked car blocks the lane|a van is double-parked on the right|a delivery truck is stopped at the curb|debris is lying on the road"
        "|cones are narrowing the lane|a broken-down car is on the shoulder|a cyclist is riding on the right|the parked cars stick out"
        "|a garbage truck is standing in our lane|a bus is stopped at the roadside|a large truck is beside us"
    ),
    "route": (
        "the route turns here|the navigation says so|our route needs that lane|the exit is on this side|the destination is reached"
        "|the lane ends ahead|the passenger wants to get out|we have to leave the highway|the current lane is closed"
    ),
    "adjacent": (
        "a fast car is approaching from behind|the gap has closed|another vehicle is beside us|the target lane is occupied"
        "|there is no room anymore|a motorcycle is in the blind spot"
    ),
}  # fmt: skip
LONGITUDINAL: dict[str, tuple[tuple[list[str], str], ...]] = {
    "lead": ((SLOW, "lead_obstacle_following"), (FOLLOW, "lead_obstacle_following"), (STOP[:6], "stop")),
    "crossing": ((SLOW, "yield"), (YIELD, "yield"), (STOP[:6], "yield")),
    "control": ((SLOW[:6], "stop"), (STOP, "stop")),
    "road": ((SLOW, "speed_adaptation"), (ADAPT, "speed_adaptation")),
    "clear": ((HOLD, "set_speed_tracking"),),
    "slower": ((PASS, "passing_acceleration"),),
    "standing": ((HOLD[:6], "set_speed_tracking"),),
    "route": ((SLOW[:6], "speed_adaptation"), (GAP, "gap_searching")),
    "adjacent": ((HOLD[:6], "set_speed_tracking"), (GAP, "gap_searching")),
}
KEEP = (
    "keep lane|keep the lane|stay in lane|stay in our lane|hold the lane|keep to the lane|remain in the current lane|go straight"
    "|stay centered in the lane|continue straight|follow the lane|keep the ego lane"
).split("|")
LATERAL: dict[str, tuple[tuple[list[str], str], ...]] = {
    "standing": (
        ("nudge SIDE|nudge to the SIDE|nudge SIDE within the lane|shift SIDE in the lane|move slightly SIDE|steer slightly to the SIDE"
         "|move over a bit to the SIDE|keep to the SIDE side of the lane|offset to the SIDE|veer SIDE around it|steer SIDE around it"
         .split("|"), "in_lane_nudge"),
        ("nudge|nudge within the lane|steer around it|go around it|move over slightly".split("|"), "in_lane_nudge"),
        ("nudge SIDE over the line|cross the line to the SIDE|nudge SIDE out of the lane|borrow the lane on the SIDE|straddle the line on the SIDE"
         "|move SIDE across the center line|go SIDE partly into the next lane".split("|"), "out_of_lane_nudge"),
        ("cross the center line briefly|nudge out of the lane|use part of the oncoming lane|go partly over the line".split("|"), "out_of_lane_nudge"),
        ("change lanes to the SIDE|change to the SIDE lane|move to the SIDE lane|switch to the SIDE lane".split("|"), "lane_change"),
    ),
    "route": (
        ("change lanes to the SIDE|change to the SIDE lane|move into the SIDE lane|make a SIDE lane change|change lanes SIDE|get into the SIDE lane"
         .split("|"), "lane_change"),
        ("turn SIDE|turn SIDE at the intersection|make a SIDE turn|take the next SIDE|make a turn to the SIDE|turn SIDE at the light"
         .split("|"), "turn"),
        ("merge SIDE|merge to the SIDE|take the exit on the SIDE|keep SIDE at the fork|take the ramp on the SIDE|exit to the SIDE"
         .split("|"), "merge_split"),
        ("merge|take the exit|merge onto the highway|zipper merge".split("|"), "merge_split"),
        ("pull over to the SIDE|pull over on the SIDE|pull over to the SIDE shoulder|park on the SIDE|stop at the curb on the SIDE"
         .split("|")[:4], "pull_over"),
        ("pull over|pull over to the curb|pull in at the curb".split("|"), "pull_over"),
        ("make a u-turn|enter the roundabout|turn here".split("|"), "turn"),
        ("change lanes".split("|"), "lane_change"),
    ),
    "slower": (
        ("change lanes to the SIDE|move into the SIDE lane|change to the SIDE lane|pull out to the SIDE".split("|"), "lane_change"),
    ),
    "adjacent": (
        ("abort the lane change to the SIDE|cancel the SIDE lane change|give up the lane change to the SIDE|abandon the merge to the SIDE"
         "|call off the SIDE lane change".split("|"), "lateral_abort"),
        ("abort the lane change|cancel the lane change|give up the lane change and stay|abort the overtake|abort the nudge".split("|"), "lateral_abort"),
    ),
}  # fmt: skip
WITHOUT_CAUSE: tuple[tuple[list[str], str], ...] = (
    (SLOW, "speed_adaptation"), (ADAPT, "speed_adaptation"), (STOP, "stop"), (FOLLOW, "lead_obstacle_following"), (YIELD, "yield"),
    (HOLD, "set_speed_tracking"), (PASS, "passing_acceleration"), (GAP, "gap_searching"),
)  # fmt: skip
FRAMES = (
    "{act} because {cause}.", "{act} since {cause}.", "{act} as {cause}.", "{cause}, so {act}.", "Because {cause}, {act}.",
    "Since {cause}, {act}.", "{act}; {cause}.", "As {cause}, we {act}.", "The ego vehicle should {act} because {cause}.", "We {act} since {cause}.",
    "{cause}. {act}.", "I will {act}, {cause}.", "It is best to {act} as {cause}.", "{act}, {cause}", "{cause} so {act}", "{act} because {cause}",
    "The car needs to {act} since {cause}.", "We should {act} because {cause}.", "Prepare to {act} as {cause}.", "Now {act}, since {cause}.",
)  # fmt: skip
TOGETHER = ("{one} and {other}", "{one}, {other}", "{one} while we {other}", "{one} and then {other}", "{other} and {one}", "{other}, and {one}")
BESIDE = (
    "", "", "", "", "", "", "Do not [stop|!stop], ", "No need to [yield|!yield]; ", "Do not [change lanes|!lane_change]; ", "Never [overtake|!passing_acceleration] here; ",
    "We may have to [stop|?stop], but for now ", "Instead of [changing lanes|!lane_change], ", "Without [stopping|!stop], ",
)  # fmt: skip
NOTHING = (
    "{cause}.", "It seems that {cause}.", "{cause} and {other}.", "Be ready to [stop|?stop] because {cause}.", "If {cause}, [stop|?stop].",
    "We might have to [slow down|?speed_adaptation]: {cause}.", "Do not [brake|!speed_adaptation], {cause}.", "Possibly [nudge left|?in_lane_nudge.left] because {cause}.",
)  # fmt: skip


def plain_sentences(count: int, seed: int = 0) -> Iterator[Marked]:
    """So many plain sentences, a twelfth of which claim nothing."""
    rng = random.Random(seed)
    for _ in range(count):
        line = _nothing(rng) if rng.random() < 1 / 12 else _acting(rng)
        if rng.random() < 0.5:
            line = line[0].upper() + line[1:] if line[0] != "[" else "[" + line[1].upper() + line[2:]
        yield unmarked(line)


def _nothing(rng: random.Random) -> str:
    return rng.choice(NOTHING).format(cause=_cause(rng, rng.choice(list(CAUSES))), other=_cause(rng, rng.choice(list(CAUSES))))


def _acting(rng: random.Random) -> str:
    kind = rng.choice(list(CAUSES))
    along = _marked(rng, LONGITUDINAL[kind])
    across = _marked(rng, LATERAL.get(kind, ((KEEP, "lane_keeping"),)))
    if rng.random() < 0.15:
        across = _marked(rng, ((KEEP, "lane_keeping"),))
    alone = rng.random() < 0.15
    if alone:
        along = _marked(rng, WITHOUT_CAUSE)
    draw = rng.random()
    act = along if draw < 0.35 else across if draw < 0.6 else rng.choice(TOGETHER).format(one=along, other=across)
    if alone:
        return rng.choice(BESIDE) + act + rng.choice((".", "", "!"))
    return rng.choice(BESIDE) + rng.choice(FRAMES).format(act=act, cause=_cause(rng, kind))


def _cause(rng: random.Random, kind: str) -> str:
    return rng.choice(CAUSES[kind].split("|"))


def _marked(rng: random.Random, groups: tuple[tuple[list[str], str], ...]) -> str:
    phrases, decision = rng.choice(groups)
    phrase, side = rng.choice(phrases), rng.choice(("left", "right"))
    sided = f".{side}" if "SIDE" in phrase else ""
    return f"[{phrase.replace('SIDE', side)}|{decision}{sided}]"
