"""Sentences written by hand, with what a careful reader takes from them; and the properties of the parser."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ar1_rl.driving.decision_text import parse_decisions
from ar1_rl.driving.decisions import COMPONENT_GROUPS, LATERAL_DECISIONS, LONGITUDINAL_DECISIONS

# text, longitudinal, lateral, side, components
SENTENCES = [
    ("Keep distance to the lead vehicle since it is slowing down ahead.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Keep a safe gap to the lead car in our lane.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Slow down because the lead vehicle is braking.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Slow down for the speed bump ahead.", "speed_adaptation", None, None, "speed_bump"),
    ("Stop for the red traffic light at the intersection.", "stop", None, None, "red_light"),
    ("Stop at the stop sign, then turn right.", "stop", None, None, "stop_sign"),
    ("Stop to let the pedestrian cross at the crosswalk.", "yield", None, None, "pedestrian"),
    ("Stop due to the light turning red.", "stop", None, None, "red_light"),
    ("Adapt speed for the sharp curve to the left.", "speed_adaptation", None, None, "curve"),
    ("Adapt speed because of the wet road and fog.", "speed_adaptation", None, None, "bad_weather"),
    ("Keep lane and keep speed since the road ahead is clear.", "set_speed_tracking", "lane_keeping", None, "clear_lane"),
    ("Keep lane.", None, "lane_keeping", None, ""),
    ("Accelerate to the speed limit since the light turned green.", "set_speed_tracking", None, None, "green_light"),
    ("Accelerate to overtake the slow truck.", "passing_acceleration", None, None, "slow_vehicle"),
    ("Nudge left to pass the parked car on the right.", None, "in_lane_nudge", "left", "parked_vehicle"),
    ("Nudge to the right within the lane to keep clear of the oncoming truck.", None, "in_lane_nudge", "right", "oncoming_vehicle"),
    ("Nudge left across the center line around the double-parked van.", None, "out_of_lane_nudge", "left", "parked_vehicle"),
    ("Change lanes to the left because of the slow truck ahead.", None, "lane_change", "left", "slow_vehicle"),
    ("Change to the right lane since the route takes the next exit.", None, "lane_change", "right", "route_lane"),
    ("Yield to the pedestrian crossing the road.", "yield", None, None, "pedestrian"),
    ("Yield to cross traffic and keep the lane.", "yield", "lane_keeping", None, "cross_traffic"),
    ("Keep speed, nothing ahead.", "set_speed_tracking", None, None, "clear_lane"),
    ("Turn left at the intersection since the route turns left.", None, "turn", "left", "route_turn"),
    ("Slow down and turn right to follow the route.", "speed_adaptation", "turn", "right", "route_turn"),
    ("Merge left because the lane ends.", None, "merge_split", "left", "ending_lane"),
    ("Search for a gap to merge onto the highway.", "gap_searching", "merge_split", None, ""),
    ("Pull over to the right since the destination is reached.", None, "pull_over", "right", "route_end"),
    ("Pull over and stop at the curb.", "stop", "pull_over", None, ""),
    ("Abort the lane change to the left because a fast car is approaching in the left lane.", None, "lateral_abort", "left", "adjacent_vehicle"),
    ("Do not stop, the light is green.", None, None, None, "green_light"),
    ("Do not change lanes; keep distance to the car ahead.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Keep the lane instead of changing to the left lane.", None, "lane_keeping", None, ""),
    ("Remain stopped because the light is still red.", "stop", None, None, "red_light"),
    ("Wait for the pedestrian to cross before turning right.", "yield", "turn", "right", "pedestrian"),
    ("Hold position at the red light.", "stop", None, None, "red_light"),
    ("Follow the lead vehicle at a safe distance.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Follow the lane through the curve at constant speed.", None, "lane_keeping", None, "curve"),
    ("Track the set speed in a free lane.", "set_speed_tracking", None, None, "clear_lane"),
    ("Proceed through the intersection because the signal is green.", "set_speed_tracking", None, None, "green_light"),
    ("Resume speed now that the lead vehicle has moved off.", "set_speed_tracking", None, None, "lead_vehicle"),
    ("Because the light ahead is red, come to a stop.", "stop", None, None, "red_light"),
    ("The lead vehicle is braking hard, so slow down.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("A pedestrian is stepping onto the road, so we brake and yield.", "yield", None, None, "pedestrian"),
    ("I will give way to the cyclist on the right.", "yield", None, None, "cyclist"),
    ("Nudge left around the parked car, then return to the lane center.", None, "in_lane_nudge", "left", "parked_vehicle"),
    ("Slow down, a car is cutting in from the right.", "lead_obstacle_following", None, None, "cut_in_vehicle"),
    ("Yield to the vehicle cutting in from the left lane.", "yield", None, None, "cut_in_vehicle"),
    ("Slow down for the construction zone with cones on the right.", "speed_adaptation", None, None, "construction"),
    ("Decelerate to a stop at the yellow light.", "stop", None, None, "yellow_light"),
    ("Slow down for the yield sign and let crossing traffic go first.", "yield", None, None, "yield_sign cross_traffic"),
    ("Shift slightly to the left in the lane to give the cyclist more room.", None, "in_lane_nudge", "left", "cyclist"),
    ("Move into the left lane to overtake the slower vehicle.", "passing_acceleration", "lane_change", "left", "slow_vehicle"),
    ("Speed up to pass the slow tractor on the left.", "passing_acceleration", None, None, "slow_vehicle"),
    ("Continue straight and maintain the current speed.", "set_speed_tracking", "lane_keeping", None, ""),
    ("Maintain speed with no lead vehicle in the lane.", "set_speed_tracking", None, None, "clear_lane"),
    ("Adjust speed to find a gap in the right lane.", "gap_searching", None, None, ""),
    ("Slow down right away for the pedestrians on the right.", "yield", None, None, "pedestrian"),
    ("Make a right turn as the navigation says.", None, "turn", "right", "route_turn"),
    ("The light turned green. Go.", "set_speed_tracking", None, None, "green_light"),
    ("Take the exit ramp on the right because the route leaves the highway.", None, "merge_split", "right", "route_lane"),
    ("Cancel the lane change and return to the right lane.", None, "lateral_abort", None, ""),
    ("Steer around the stopped delivery van on the left side.", None, "in_lane_nudge", "right", "parked_vehicle"),
    ("Slow down and be ready to stop for the child near the curb.", "yield", None, None, "pedestrian"),
    ("If the pedestrian steps out, stop; otherwise keep speed.", "set_speed_tracking", None, None, "pedestrian"),
    ("Never overtake here; follow the bus ahead.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Go slowly past the school.", None, None, None, ""),
    ("The sky is blue.", None, None, None, ""),
    ("", None, None, None, ""),
    ("the the the red red", None, None, None, ""),
    ("Brake for the queue of stopped vehicles ahead.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Don't yield, the oncoming car has turned away; drive on.", "set_speed_tracking", None, None, "oncoming_vehicle"),
    ("Stay in lane and reduce speed since the lane ahead is closed by road works.", "speed_adaptation", "lane_keeping", None, "construction"),
    ("Turn left after yielding to oncoming traffic.", "yield", "turn", "left", "oncoming_vehicle"),
    ("Come to a halt behind the stopped lead car.", "stop", None, None, "lead_vehicle"),
    ("Keep right at the fork.", None, "merge_split", "right", ""),
    ("Maintain a safe distance from the vehicle in front while it turns left.", "lead_obstacle_following", None, None, "lead_vehicle"),
    ("Move over to the left to give space to the broken-down truck on the shoulder.", None, "in_lane_nudge", "left", "parked_vehicle"),
    ("Switch lanes right, the adjacent lane is clear.", None, "lane_change", "right", "clear_lane"),
    ("Avoid stopping; proceed since there are no pedestrians.", "set_speed_tracking", None, None, ""),
    ("Possibly nudge left.", None, None, None, ""),
]


@pytest.mark.parametrize(("text", "longitudinal", "lateral", "side", "components"), SENTENCES)
def test_a_sentence_is_read_as_a_careful_reader_reads_it(
    text: str, longitudinal: str | None, lateral: str | None, side: str | None, components: str
) -> None:
    claims = parse_decisions(text)
    assert (claims.longitudinal, claims.lateral, claims.side) == (longitudinal, lateral, side)
    assert set(claims.components) == set(components.split())
