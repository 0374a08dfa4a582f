"""Frames of the lateral axis: what a text says of lanes, lines, sides and junctions."""
# ruff: noqa: E501  one frame a line: a pattern broken over lines is harder to read than a long one
# fmt: off

from __future__ import annotations

from .frames import FACILITY, LANE, LINE, MANEUVER, ROADSIDE, SIDE, VEHICLE, FrameBook, frame

_MOVE = (
    "nudge shift move steer veer edge ease drift slide swing swerve pull slip cut creep offset bias lean hug favour favor position jog dip stray"
    " sidle squeeze slot angle sweep tuck change switch transfer cross come go get bring put weave scoot deviate dodge skirt round glide roll push step"
    " hop head bear inch wander dart filter pass drop fall drive proceed set place divert navigate sneak work run make"
    " continue turn stay keep use take borrow occupy straddle encroach extend enter leave return retreat swap shade overtake evade spread avoid merge follow travel lay poke vacate guide draw aim"
)
_STEERED = (
    "nudge shift move steer veer edge ease drift slide swing swerve slip creep offset bias lean hug favour favor position jog dip stray sidle squeeze angle"
    " tuck scoot deviate dodge inch wander sway pull step cut weave shade skirt round go glide push hop"
)
_CHANGING = " ".join(verb for verb in _MOVE.split() if verb not in ("keep", "stay", "follow", "proceed", "drive", "continue", "travel", "avoid", "evade", "aim"))
_ACROSS = "overlap nudge dip stray encroach lean poke extend straddle borrow squeeze put spill swerve wander edge creep"
_PART = r"\b(?:part(?:ly|ially)?|partial|half|halfway|partway|slightly|a (?:bit|little|touch|fraction|tad)|(?:\w+ )?wheels?|by (?:\d|half|about|a (?!lane|full|whole))|temporarily|briefly|momentarily|for a (?:moment|second|while)|part of|edge of|bit of|some of|strip of|just enough|a car width|with (?:the|our) (?:left|right))\b"
_OUT = rf"\bastride\b|\b(?:over|across|past|onto|on to|on|beyond|outside|outside of) (?:(?!lanes?\b)\w+ ){{0,4}}?{LINE}\b|\b(?:out of|out from|outside|outside of|off|beyond) (?:\w+ )?(?:the |our |my |its |this )?(?:current |ego |own )?lane\b|\binto (?:\w+ ){{0,3}}?(?:oncoming|opposite|opposing)\b|\b(?:oncoming|opposite|opposing) (?:lane|side|carriageway|traffic lane)\b|\boff the (?:lane|edge of)"
_OWN = r"(?:the |our |my |its |this |that |ego |own |current |same |present |original |existing |old |initial |host |assigned |marked |driving |travel |travelled |chosen |ours )*"
_KEEP = "keep stay hold remain maintain stick continue drive follow track proceed cruise travel ride run sit retain preserve go roll carry settle position hug stand"
_NOT_OWN = r"(?:adjacent|neighbou?ring|next|other|target|passing|overtaking|fast|slow|outer|inner|outside|inside|middle|turn|turning|bus|left|right|free|faster|slower|empty|open|that|exit|new|parallel|far|second|third|first|hov|through|express|leftmost|rightmost|vacant|clear|hand|one|a|whole|full|truck|crawler|whichever|correct|proper|required|different|another)"

LATERAL = FrameBook([
    # Of verbs that are in no list.
    frame("", "?", r"\b(?:for|of|about) (?:a|an|any) (?:gap|slot|opening|hole|space)\b"),
    frame("lateral_abort", "?", r"\bof (?:the|this|our) (?:lane change|merge|overtake|maneuver|manoeuvre)$"),
    frame("out_of_lane_nudge", "?", rf"{_OUT}|(?=.*{_PART}).*\b(?:into|onto|in|of) (?:\w+ ){{0,2}}?{_NOT_OWN} (?:hand )?lane\b"),
    frame("lane_change", "?", rf"^(?! back (?:in|to|into) (?:our|the) lane).*\b(?:into|onto|to|over to) (?:the |that |an |a |our )?(?:{_NOT_OWN} (?:hand )?){{1,2}}lane\b"),
    frame("in_lane_nudge", "?", rf"\b(?:in|within|inside) (?:(?:the|our|its) )?lane\b.*\b{SIDE}\b|\b{SIDE}\b.*\b(?:in|within|inside) (?:(?:the|our|its) )?lane\b|^(?: (?:slightly|a|bit|little|touch|further|gently|over|back|\w+ly))* (?:to the )?{SIDE}(?:$| (?:around|of|away|past|for)\b)|^ (?:around|round) the\b(?! (?:\w+ )?(?:bend|corner|curve|roundabout))"),
    frame("lane_keeping", "?", r"\bback (?:in|into|to|inside) (?:\w+ ){0,4}?(?:lane|cent(?:er|re))\b|\b(?:in|within|to|inside|of) (?:our|the|its|this|my) (?:own )?lane$|^ straight(?: on| ahead| over| through|$)|\bcent(?:er|re) of (?:the|our|its) lane"),
    frame("pull_over", "?", rf"\b(?:into|onto|to|toward|towards|for) (?:the |a )?(?:\w+ )?{ROADSIDE}\b"),
    frame("turn", "?", rf"\b{SIDE}\b.*\b(?:junction|intersection|corner|crossroads|lights?|street|road|avenue|driveway)\b|\b(?:into|onto) the (?:\w+ ){{0,2}}?(?:side ?street|side ?road|driveway|car park|parking lot|petrol station|yard|roundabout)\b|^ {SIDE} (?:here|turn)\b"),
    frame("merge_split", "?", rf"\b(?:into|onto|to|on to) (?:the |a )?(?:\w+ )?{FACILITY}\b|^ {SIDE} at the (?:fork|split)"),
    # Given up.
    frame("lateral_abort", "stop halt quit drop end", rf"^ (?:(?:the|this|our|that|my|any|further) (?:\w+ ){{0,2}}?)?{MANEUVER}\b(?! (?:lane|sign|lights?)\b)"),
    frame("lateral_abort", "abort cancel abandon discontinue scrap undo withdraw retreat skip reverse revert revoke rescind terminate quit interrupt", rf"\b(?:{MANEUVER}|lc)\b(?! (?:lane|sign|lights?)\b)|^ (?:it|that|this)\b(?=.*\blane\b)"),
    frame("lateral_abort", "abort", r"^$"),
    frame("lateral_abort", "call break", rf"^ off\b|\boff$|\b{MANEUVER}\b.*\boff\b|^ (?:out )?of (?:the|this|our) {MANEUVER}"),
    frame("lateral_abort", "pull get come back swing", rf"^ (?:back|out) (?:from|of) the {SIDE} (?:hand )?lane\b"),
    frame("lateral_abort", "forget drop", rf"\b{MANEUVER}\b"),
    frame("lateral_abort", "take pull", rf"^ back (?:from )?(?:the|our|this|that) (?:\w+ )?{MANEUVER}\b"),
    frame("lateral_abort", "leave", rf"^ off (?:\w+ ){{0,3}}?{MANEUVER}\b"),
    frame("lateral_abort", "give", rf"^ up (?:on )?(?:\w+ ){{0,3}}?{MANEUVER}\b|\b{MANEUVER}\b.* up\b"),
    frame("lateral_abort", "back pull bail get come", rf"^ (?:out|off|away) (?:of|from) (?:\w+ ){{0,3}}?{MANEUVER}\b(?! lane)"),
    frame("lateral_abort", "cut break", rf"\b{MANEUVER}\b.* short\b|^ short\b"),
    frame("", "return go come get move pull swing steer drop fall", r"(?!)"),
    # Kerb and shoulder.
    frame("out_of_lane_nudge", _ACROSS, r"\b(?:onto|on|over|across)(?: to)? (?:the )?(?:\w+ )?(?:hard )?(?:shoulder|verge|gravel)\b"),
    frame("pull_over", "pull", r"^ in at\b"),
    frame("pull_over", "pull draw", rf"^ (?:over|aside)\b(?! (?:into|onto|to) (?:the )?(?:\w+ )?lane)|^ (?:in|off|up|into|onto|on to|to|out)\b.*\b{ROADSIDE}\b|^ in(?:$| (?:to the (?:left|right)(?! lane)|on the|at|here|by|and|for|safely|next to|beside|before|behind the parked|between))|^ off(?:$| (?:the (?:road|highway|motorway|carriageway|street)|to the (?:left|right|side)|here|safely|at|on))|^ up (?:at|to|on|by|along|next to|beside) (?:\w+ )?(?:curb|kerb|side|pavement|sidewalk)"),
    frame("pull_over", "park", r"^(?! brake)"),
    frame("out_of_lane_nudge", _MOVE, rf"^(?=.*{_PART}).*\b(?:onto|on to|over|wheels? on|into|across) (?:the )?(?:\w+ )?(?:hard )?(?:shoulder|verge)\b"),
    frame("pull_over", "move go get steer drive glide head approach come stop halt ease roll drift slide turn edge swing slip make exit enter use take creep bring put proceed position decelerate slow coast aim guide settle wait set line tuck draw follow", rf"\b(?:to|onto|on to|into|in|at|on(?!.*\bside$)|toward|towards|beside|alongside|along|by|approach|over to) (?:the |our |a |this |that |an )?(?:(?!off\b|from\b|step\b|of\b|for\b|near\b)\w+ ){{0,3}}?{ROADSIDE}\b(?! (?:lane|ends|of the lane))|^ (?:the |a )?(?:\w+ )?{ROADSIDE}\b"),
    frame("pull_over", "come get go drive move steer", r"^ off the (?:road|street|carriageway|highway)\b"),
    frame("pull_over", "head make aim", rf"^ (?:for|toward|towards) (?:the |a )?(?:\w+ )?{ROADSIDE}\b"),
    frame("pull_over", "use take enter", rf"^ (?:the |a |this )?(?:\w+ )?{ROADSIDE}\b"),
    frame("pull_over", "move get step steer", r"^(?: over)? (?:aside|to one side|out of the way)\b"),
    frame("out_of_lane_nudge", "overtake pass ?", r"\bvia (?:the )?(?:oncoming|opposite|opposing) lane\b"),
    frame("lane_change", "overtake pass ?", rf"\b(?:via|using|through|on) (?:the )?{SIDE} (?:hand )?lane\b"),
    # Back in lane.
    frame("", "turn", r"^ (?:on|off) (?:the|our|your|my|a)?|^ (?:the|our|my) (?:indicator|signal|blinker)"),
    frame("in_lane_nudge", f"{_STEERED} {_KEEP} use take occupy follow", rf"\b{SIDE}(?:most)?(?: hand)?(?: (?:half|side|part|edge|third|portion|quarter|hand side))? (?:of|in|within|inside) (?:the |our |my |its |this |ego |own )*(?:current |own )?lane\b|\b(?:half|side|part|edge|third) of (?:the |our |my |its )*lane\b|\b{SIDE} (?:half|third|part|portion|side|edge) (?:of|in) it\b|\b{SIDE} of cent(?:er|re)\b|\boff cent(?:er|re)\b"),
    frame("turn", "turn", r"^(?: \w+ly| hard| sharp)* (?:left|right)\b(?! (?:lane|in (?:the|our) lane))"),
    frame("out_of_lane_nudge", f"{_MOVE} lean", rf"^(?! back (?:in|into|inside|to)).*(?:{_OUT})"),
    frame("out_of_lane_nudge", _MOVE, rf"^(?=.*{_PART}).*\b(?:in|into|onto|on to|of|to|on|the) (?:\w+ ){{0,3}}?{_NOT_OWN} (?:hand )?(?:{LANE}|one)\b"),
    frame("out_of_lane_nudge", _ACROSS, rf"\b(?:in|into|onto|on to|on|of|upon|over) (?:\w+ ){{0,3}}?{_NOT_OWN} (?:hand )?(?:{LANE}|one)\b"),
    frame("out_of_lane_nudge", "leave exit", r"\blane (?:by |a (?:bit|little|touch)|half|some)|\b(?:part(?:ly|ially)?|briefly|temporarily|momentarily|slightly|for a (?:moment|bit))\b.*\blane\b|\blane\b.*\b(?:part(?:ly|ially)?|briefly|temporarily|momentarily|slightly|for a (?:moment|bit)|around|on the (?:left|right) side)\b"),
    frame("out_of_lane_nudge", "straddle cross encroach", rf"\b{LINE}\b|\blanes?\b(?! to)|\binto\b|^ (?:on|upon)"),
    frame("out_of_lane_nudge", "borrow", r""),
    frame("out_of_lane_nudge", "overlap", r"\blane\b"),
    frame("out_of_lane_nudge", "pull move swing shift steer go", r"\bhalf (?:a |the )?(?:lane|car)"),
    # Turns.
    frame("merge_split", "take turn go bear head drive steer", r"\b(?:onto|on to|to|for|into) the (?:\w+ )?(?:highway|motorway|freeway|expressway|interstate|slip road|on ramp|off ramp)\b"),
    frame("turn", "turn", r"^(?: \w+ly| slightly| hard| sharp| now)*(?:$| (?:left|right|off|into|onto|around|round|at|here|in|on (?:green|red|to)|when|across|down|up|back|with|through|for|only|before|after|behind|towards?|to the (?:left|right)|there|as|from|by|under|safely|first)\b)(?! (?:the )?(?:left|right)? ?(?:lane|indicator|signal))"),
    frame("turn", "make take hang perform do execute complete negotiate start begin enter finish initiate prepare approach proceed steer go drive continue roll accelerate creep slow follow pull head ease come brake move attempt carry commence", r"\b(?:a |the |our |this |your |its |an )?(?:\w+ ){0,3}?(?:(?:left|right|u)(?: hand)? ?turn(?:ing)?|u ?turn|uturn)\b(?! (?:lane|pocket|signal|bay|arrow|only))|^ (?:a|the|this|that|our|next|first|second|third)(?: (?:next|first|second|third|sharp|hard|quick|immediate|tight))? (?:left|right)(?:$| (?:at|onto|into|on|here|after|in|turn|when|through|before|by|off|down|up|toward|and|as|past|for|from|once|to)\b)(?! (?:lane|exit))"),
    frame("turn", "go head swing bear steer make keep branch take leave proceed drive continue come hook cut", rf"^(?!.*\b(?:straight|fork|split|slip road|ramp|highway|motorway|freeway|exit|interchange|link road|ring road|connector|carriageway|expressway)\b)(?: \w+ly| hard| sharp)? (?:to the |toward the |towards the )?{SIDE}\b.*\b(?:junction|intersection|corner|crossroads|cross roads|lights?|signal|street|road(?! side)|avenue|driveway|entrance|alley|drive|boulevard|square|stop sign|t junction|roundabout|car park|parking lot|side ?road|mini roundabout|gate|yard)\b|^ (?:to the )?{SIDE} here\b"),
    frame("turn", "enter leave exit join take go drive negotiate approach proceed circle follow navigate round pass merge continue move head", r"^(?!.*\b(?:after|before|behind) the roundabout)(?:.*\b(?:exit|leave|off|around|round|through|into|onto|enter|the|on)\b)?.*\b(?:roundabout|traffic circle|rotary|circulatory|gyratory)\b(?! (?:at|with) (?:no|only|less|reduced|low|\d|walking)|.*\b(?:slowly|at no more|speed|km/h|mph)\b)"),
    frame("turn", "follow go drive turn steer head pull come round ?", r"^(?:.*\b(?:round|around))? the (?:next )?corner\b"),
    frame("turn", "go hang swing make take head", rf"^ (?:a )?{SIDE}(?:$| (?:now|first|next|then|and|at|into|onto|after|here|on (?:green|red)|down))(?! lane)"),
    frame("turn", "pull drive go swing steer head enter move", r"^(?: \w+)? (?:into|onto|in to|to) (?:the |a |our |this )?(?:\w+ ){0,2}?(?:side ?street|side ?road|driveway|car park|parking lot|street|avenue|alley|entrance|yard|petrol station|gas station|courtyard|garage|filling station|depot|supermarket)\b"),
    # Other roads.
    frame("", "merge exit", r"(?!)"),
    frame("merge_split", "merge rejoin zip zipper", r"^(?!.*\bback (?:in|into) (?:our|the) (?:own|original) lane)"),
    frame("turn", "exit leave", r"\b(?:roundabout|circle|car park|parking lot|driveway|street)\b"),
    frame("merge_split", "exit diverge peel", r"^(?! (?:the |our |this )?(?:lane|lead|maneuver|way|queue|tunnel|curve|bend|zone|area|village|town|construction|work|junction|intersection))"),
    frame("merge_split", "slot ease slip", r"^ (?:in|into)\b(?!.*\blane\b)(?!.*\b(?:behind|in front|gap|space)\b)(?=.*\b(?:traffic|flow|stream|main|one by one|alternat\w*)\b)"),
    frame("merge_split", "join", r"^ (?:it|in)$"),
    frame("merge_split", "filter feed", r"^ (?:in|into)\b(?!.*\b(?:behind|in front|gap|space)\b)(?=.*\b(?:left|right|traffic|flow|stream|main|ahead|one by one|alternat\w*)\b)"),
    frame("merge_split", "keep stay bear go take follow hold move steer head veer turn choose continue select branch pick fork drive swing", rf"^(?!.*\blane\b.*\b(?:for|before|toward|ahead))(?:.*\b{SIDE}\b.*\b(?:forks?|splits?|diverges?|branch(?:es)?|divides?|parts|gore|y junction|exit|off ramp|ramp|interchange|junction (?:with|of) the (?:highway|motorway))\b|.*\b(?:the|this|that) (?:\w+ )?(?:fork|ramp|exit|off ramp|slip road|connector|link road|split)\b(?! (?:of|from) the roundabout| lane)| (?:left|right) (?:fork|branch|exit|ramp)\b)"),
    frame("merge_split", "reach", r"\bmerge point\b"),
    frame("merge_split", "take use", r"\b(?:exit|off ramp|on ramp|ramp|slip ?road|fork|branch|connector)\b(?! (?:lane|of the roundabout|at the roundabout|from the roundabout))(?!.*\broundabout)"),
    frame("merge_split", "join enter", rf"\b(?:{FACILITY}|traffic|lane)\b(?! (?:slowly|at))"),
    frame("merge_split", "squeeze slot feed ease slip blend nose", r"^ into (?:the )?(?:\w+ )?(?:traffic|flow|stream|main road|carriageway)\b"),
    frame("merge_split", "fork", r""),
    frame("merge_split", "leave", r"\bat (?:the |this )?(?:\w+ )?exit\b(?! of)"),
    frame("merge_split", "leave", rf"\b(?:{FACILITY}|road at)\b(?! alone)"),
    frame("merge_split", "move go get drive pull accelerate ease head slide shift steer cross change transfer follow feed come roll drop continue proceed turn slip decelerate slow brake", rf"\b(?:onto|on to|into|off|off of|from|up|down|to) (?:the |this |that |our |a )?(?:\w+ ){{0,2}}?{FACILITY}\b(?! (?:line|curve|speed|pace))"),
    # Lane changes.
    frame("lane_keeping", "return go come get move pull swing steer drift slide ease tuck slip settle edge shift drop fall nudge straighten cut bring", rf"^(?!.*\b(?:left|right|other|adjacent|next|neighbou?ring|slow|inside|outside|nearside|middle|travel) (?:hand )?lane).*\b(?:back|return|straight|up|^|to|in|into|our|original)\b.*?\b(?:in|into|to|inside|within|onto|on|of)\b (?:\w+ ){{0,1}}?{_OWN}(?:lane|cent(?:er|re) of (?:the|our) lane|lane cent(?:er|re))\b(?! (?:to|on) (?:the|our) (?:left|right))"),
    frame("lane_keeping", "return", rf"^(?!.*\b{_NOT_OWN} (?:hand )?lane\b).*\b(?:lane|cent(?:er|re))\b"),
    frame("lane_change", "change switch swap", rf"\b{LANE}\b(?! position)|^ (?:over|across|back)(?: to the (?:left|right))?|^(?: back)? to the (?:left|right)\b|^$|^ (?:left|right)\b|^ (?:sides?)\b"),
    frame("lane_change", "drop slot move slip tuck slide go pull get", rf"\binto (?:the|a|that) (?:gap|slot|space|hole|opening)\b.*\b(?:in|on) the {SIDE}\b"),
    frame("lane_change", "pick choose select prefer", rf"^ (?:the )?{SIDE}(?:most)? (?:hand )?lane\b"),
    frame("lane_change", "move go shift change get", rf"^ one (?:over )?(?:to the )?{SIDE}\b|^(?: over)? (?:to the )?{SIDE} into (?:it|that|there|the (?:gap|space|slot|hole|opening))\b"),
    frame("lane_change", "take use", rf"^ (?:the|that) lane (?:to|on) (?:the|our) {SIDE}\b"),
    frame("lane_change", "vacate leave clear", r"^ (?:the |our |this )?(?:closing|closed|ending|blocked|fast|passing|middle|slow) lane (?:to|for|on|toward) the (?:left|right)"),
    frame("lane_change", "vacate leave clear", rf"^ (?:the )?(?:{_NOT_OWN}) (?:hand )?lane\b(?! (?:part|on|partly|briefly))"),
    frame("lane_change", "make perform execute complete do start begin initiate finish carry commence undertake continue prepare plan attempt signal", r"\blane ?change\b|\b(?:change|move|shift) (?:of lane|(?:to|into) the (?:\w+ )?(?:hand )?lane)\b|\bchange to the (?:left|right)\b"),
    frame("in_lane_nudge", f"{_STEERED}", r"^(?=.*\b(?:left|right|away|over|off|to (?:one|the) side|sideways|around|round|laterally|offset)\b).*\b(?:in|within|inside|without leaving) (?:the |our |my |its |own |ego |this |current |same )*(?:lane|lines|markings|it)\b(?! (?:on|to) (?:the|our) (?:left|right))"),
    frame("lane_change", _CHANGING, rf"^(?! (?:straight|clear|out of|back from|off)\b).*\b(?:in|into|to|onto|on to|for|over to|across to|across|one|a|the|another) (?:\w+ ){{0,4}}?(?<!within )(?:(?:{_NOT_OWN}) (?:(?:and|or|hand|turn|turning|most|going) )?){{1,3}}{LANE}\b(?! (?:line|marking|of the))|^(?: over| across)? (?:a|one|two|one full|a full|a whole) {LANE}\b|\b(?:one|two|a) {LANE}(?: over)?$|\b(?:in|into|onto|to) the {LANE} (?:to|on) (?:the|our) (?:left|right)|^ {LANE} (?:to|left|right)|\b(?:the|our) (?:left|right) ?(?:most|hand)? one\b|\bthe one (?:on|to) (?:the|our) (?:left|right)\b|^(?: over)? to the (?:left|right) by (?:a|one) (?:full |whole )?lane|^ into (?:the|that|this) lane\b(?=.*\b(?:beside|next to|left|right|free|freed|that|over)\b)|^ (?:in|into) (?:that|it) lane"),
    frame("lane_change", "move change go shift get pull slide switch", rf"^(?: over)? {SIDE} (?:behind|in front of|between|ahead of|after) (?:the|a|that|it)\b"),
    frame("lane_change", "move change go shift get pull slide come steer switch", r"^(?: over)? (?:in)?to that lane\b|^ over(?:$| (?:before|after|when|once|early|now|here|safely|as|for the exit|in time|behind|in front|and))|^ out (?:to (?:overtake|pass)|and (?:overtake|pass))|^ across(?:$| to the (?:left|right))"),
    frame("lane_change", "pull move", r"^ out(?:$| to the (?:left|right)| (?:behind|from behind|when))"),
    frame("lane_change", "get", r"^ over to the (?:left|right)$"),
    frame("lane_change", "move drift go pull shift get come slide", r"^(?: \w+)? back (?:over )?(?:to the )?(?:left|right)\b|^ (?:left|right) again\b|^ back over\b"),
    # Within the lane.
    frame("in_lane_nudge", "squeeze edge slip thread ease sneak sidle steer weave swerve dodge", r"^(?: \w+)? (?:past|by|between|around|round)\b"),
    frame("in_lane_nudge", "increase gain widen add", r"\b(?:side|lateral|passing|sideways) (?:clearance|distance|gap|room|space|margin)\b"),
    frame("in_lane_nudge", "hug favour favor skirt", rf"\b{SIDE}\b|\b(?:edge|line|kerb|curb|side)\b"),
    frame("in_lane_nudge", _STEERED, rf"\btowards? the {SIDE} (?:hand )?(?:lane )?(?:line|marking|edge|boundary|side)\b"),
    frame("in_lane_nudge", "keep stay", rf"^(?: \w+)? (?:away|clear) (?:from|of) .*\bon (?:the|our) {SIDE}\b"),
    frame("in_lane_nudge", "drive ride sit run", rf"^ (?:a (?:bit|little|touch)|slightly|further|more|closer)(?: \w+)? (?:to the )?{SIDE}\b"),
    frame("in_lane_nudge", "keep stay hold", rf"^(?: \w+)? (?:tight|close|well|over|a (?:bit|little|touch)|slightly|further|more|far|hard|near)(?: over)? (?:to the |to our |to |toward the |towards the )?{SIDE}\b"),
    frame("in_lane_nudge", "keep stay bear", rf"^(?: \w+){{0,3}}? (?:to the )?{SIDE}(?: of)?\b(?! lane)"),
    frame("in_lane_nudge", "dodge evade", r""),
    frame("in_lane_nudge", "make give do apply perform take introduce add execute use", r"\b(?:shift|nudge|move) to the (?:left|right)\b(?! (?:hand )?lane)|\b(?:in lane|lateral|small|slight|little|gentle|minor|sideways|left|right|subtle|modest)(?: \w+){0,3} (?:shift|nudge|offset|adjustment|bias|correction|move|sidestep|swerve|deviation)\b"),
    frame("in_lane_nudge", _STEERED, rf"^(?! (?:back|up to|off the|down|on|ahead|forward|off$|away(?:$| from the (?:stop|line|light|signal|curb|kerb|junction))))(?:.*\b(?:{SIDE}(?:wards?|most)?|sideways|to one side|to the side|leftwards?|rightwards?|(?:lateral|lane) position|position)\b(?! (?:lane|turn|of way|indicator|signal|now|away))|(?: \w+){{0,3}} (?:around|round|away from|clear of|aside|wide of|off (?:from )?the (?:parked|cyclist|workers|barrier|cones|truck|kerb|curb|wall))\b(?! (?:the |a )?(?:\w+ )?(?:bend|curve|corner|roundabout|junction|stop|line))(?!$))"),
    frame("in_lane_nudge", "give leave make create allow provide offer add get", r"\b(?:room|space|clearance|berth|margin|lateral distance|side distance|passing distance|lateral gap)\b(?!.*\b(?:ahead|in front|merg\w+|behind|to (?:brake|stop|react))\b)(?! for (?:the |a |that |this )(?!parked|stopped|broken|oncoming)(?:\w+ )?(?:car|vehicle|bus|truck|van|lorry|coach|taxi|tram|driver|traffic)\b)|^ (?:it|him|her|them|the (?:\w+ )?(?:cyclist|pedestrian|rider|van|car|truck|workers?|jogger))? ?\d+(?:\.\d+)? ?(?:m|metres?|meters?)\b"),
    # Straight on.
    frame("", "keep stay hold get steer remain", r"\b(?:out of|clear of|away from|off) (?:the |that )?(?:\w+ )?lane\b"),
    frame("lane_keeping", f"{_KEEP} move head cross pass steer drive get", r"^(?! (?:away|off|out|to the|back)\b)(?: \w+){0,3}? straight(?:$| (?:on|ahead|over|through|across|along|and|past|as|in|at|for|since|down|forward|between|with|down))\b|^ straight$"),
    frame("lane_keeping", _KEEP, rf"^(?! (?:off|out|clear|away)\b)(?! (?:up|speed(?! and)))(?! (?:the )?(?:set |target |cruise )?speed in\b)(?!.*\b(?:to|from|with|of) (?:[\w']+ ){{1,4}}?(?:{VEHICLE}|lead|one) in (?:our|the|my|this) lane\b)(?: \w+)*? ?\b(?:lanes?|ours|markings|lane lines|lines|middle|cent(?:er|re|red|rally|reline|erline)(?:ed)?|course|heading|lateral position|position in)\b(?! (?:change|changes|closure|distance|up|to within|lights?)\b)"),
    frame("lane_keeping", "steer ride drive", r"^(?: out)? (?:along|around|through|round|the) (?:the )?(?:\w+ )?(?:bend|curve|road)\b"),
    frame("lane_keeping", "follow track trace negotiate", r"^(?! (?:it|him|the (?:lead|car|truck|bus|vehicle|van|lorry))\b)(?: \w+){0,4}? (?:road|curve|bend|curvature|street|arc|contour|course|path|carriageway|hairpin|lane|curves|bends)\b"),
    frame("lane_keeping", "recenter recentre center centre", r""),
    frame("lane_keeping", "straighten", r"^(?: up| out|$)"),
    frame("lane_keeping", "stay remain keep hold", r"^(?: \w+)? (?:cent(?:er|re)(?:ed|d)|between|in position|on course|within|inside)\b"),
    frame("lane_keeping", "stay remain keep", r"^ in (?:it|this one|ours)\b"),
])
"""Frames in order of precedence; an empty name says that the words name no decision."""
