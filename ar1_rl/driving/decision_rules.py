"""The phrases by which a text names driving decisions: data for `decision_text.py`.

All patterns are for lower-case text. A decision phrase begins with its verb, in base, -s or -ing form; who does it,
negation and order are the parser's business. The first rule that matches at a place wins, so special ones come first.
"""
# ruff: noqa: E501  one rule a line: a pattern broken over lines is harder to read than a long one
# fmt: off

from __future__ import annotations

from .phrase_rule import phrase_rule as _rule

_DET = r"(?:(?:the|a|an|my|our|its|this|that|your|some|any|more|current|ego|own)\s+)*"
_ADVERBS = r"(?:(?:slightly|gently|smoothly|gradually|carefully|slowly|briefly|a\s+bit|a\s+little|further|safely|hard|early|partly|partially|just|back|over)\s+)*"
_SLOW = r"(?:slow(?:s|ing)?(?!er|\s+(?:mov|driv|veh|truck|car|bus|traff|lead|lane))(?:\s+down)?|decelerat(?:e|es|ing)|brak(?:e|es|ing)|reduc(?:e|es|ing)\s+(?:\w+\s+)?speed|eas(?:e|es|ing)\s+off|lower(?:s|ing)?\s+(?:\w+\s+)?speed)"
_GAIN = r"(?:accelerat(?:e|es|ing)|speed(?:s|ing)?\s+up|gain(?:s|ing)?\s+speed|pick(?:s|ing)?\s+up\s+speed|increas(?:e|es|ing)\s+(?:\w+\s+)?speed)"
_HOLD = r"(?:keep(?:s|ing)?|hold(?:s|ing)?|maintain(?:s|ing)?)"
_STEER = r"(?:nudg(?:e|es|ing)|shift(?:s|ing)?|steer(?:s|ing)?|mov(?:e|es|ing)|veer(?:s|ing)?|edg(?:e|es|ing)|swerv(?:e|es|ing)|eas(?:e|es|ing)|offset(?:s|ting)?|bias(?:es|ing)?|drift(?:s|ing)?|pull(?:s|ing)?)"
_SIDE = r"(?:to\s+the\s+)?(?:left|right)(?:wards?)?"
_LET = r"(?:let(?:s|ting)?|allow(?:s|ing)?)"
_AGENT = r"(?:pedestrians?|people|person|child(?:ren)?|cyclists?|bicyclists?|bikes?|cross(?:ing)?[\s-]traffic|oncoming\s+\w+|traffic|vehicles?|cars?|trucks?|bus(?:es)?|them|it|others?)"

SLOWING = "slowing"
"""Not yet a decision: it depends on what the slowing is for."""

LONGITUDINAL_RULES = (
    _rule("gap_searching", "gap opening", rf"(?:search(?:es|ing)?|look(?:s|ing)?|wait(?:s|ing)?|seek(?:s|ing)?|find(?:s|ing)?)\b(?:\s+\w+){{0,3}}?\s+{_DET}(?:\w+\s+)?(?:gap|opening)\b"),
    _rule("gap_searching", "gap opening", rf"(?:{_SLOW}|{_GAIN}|(?:adjust|adapt|match|regulat)(?:e|s|es|ing)?\s+(?:\w+\s+)?speed)\b(?:\s+\w+){{0,4}}?\s+(?:for|into|find|to|with|use|fit)\s+{_DET}(?!safe|comfortable)(?:\w+\s+)?(?:gap|opening)\b"),
    _rule("gap_searching", "gap search zipper", r"(?:gap[\s-]search(?:es|ing)?|zipper[\s-]merg(?:e|es|ing))\b"),
    _rule("yield", "stop halt wait brak slow decelerat reduc eas lower hold pause", rf"(?:stop(?:s|ping)?|halt(?:s|ing)?|wait(?:s|ing)?|paus(?:e|es|ing)|{_HOLD}|{_SLOW})\b(?:\s+\w+){{0,3}}?\s+(?:to|and)\s+(?:yield|give\s+way|(?:let|allow)\b)"),
    _rule("yield", "wait hold", rf"(?:wait(?:s|ing)?|{_HOLD})\s+(?:\w+\s+)?for\s+{_DET}(?:\w+\s+){{0,2}}?{_AGENT}\b"),
    _rule("yield", "wait", rf"wait(?:s|ing)?\s+until\s+{_DET}(?:\w+\s+){{0,2}}?{_AGENT}\b"),
    _rule("yield", "yield give giving way", r"(?:yield(?:s|ing)?(?!\s+sign)|giv(?:e|es|ing)\s+(?:way|priority|the\s+right[\s-]of[\s-]way)(?!\s+sign))\b"),
    _rule("yield", "let allow", rf"{_LET}\s+{_DET}(?:\w+\s+){{0,4}}?(?:cross|go|pass|through|merge|in|first|clear|proceed|by)\b"),
    _rule("stop", "stop halt standstill", rf"(?:{_SLOW}|com(?:e|es|ing)|roll(?:s|ing)?|bring(?:s|ing)?\s+\w+(?:\s+\w+)?)\s+(?:down\s+)?{_ADVERBS}to\s+(?:an?\s+)?(?:\w+\s+){{0,2}}?(?:stop|halt|standstill)\b"),
    _rule("stop", "stop", rf"{_SLOW}\s+(?:down\s+)?(?:and|to)\s+(?:\w+\s+)?stop\b(?!\s+sign)"),
    _rule("stop", "stop halt stand wait hold put park standstill", r"(?:remain(?:s|ing)?|stay(?:s|ing)?|keep(?:s|ing)?|stand(?:s|ing)?)\s+(?:fully\s+)?(?:stopped|halted|stationary|still|put|at\s+(?:a\s+)?standstill|waiting)\b"),
    _rule("stop", "hold stay", r"(?:hold(?:s|ing)?\s+(?:(?:the|my|our|current)\s+)?position|hold(?:s|ing)?\s+(?:at|here|before|behind)|stay(?:s|ing)?\s+where)\b"),
    _rule("stop", "wait", r"wait(?:s|ing)?\b"),
    _rule("stop", "stop halt", r"(?<!non-)(?:stop(?:s|ping)?|halt(?:s|ing)?)\b(?![\s-]+(?:sign|line|light|signal|bar|accelerat|follow))"),
    _rule("passing_acceleration", "accelerat speed gain pick increas", rf"{_GAIN}\b(?:\s+(?!merg|chang|find|join)\w+){{0,4}}?\s+(?:pass|overtake|past|clear\s+of|ahead\s+of|in\s+front\s+of)\b(?!\s+(?:the\s+)?intersection)"),
    _rule("passing_acceleration", "overtak", r"overtak(?:e|es|ing)\b"),
    _rule("passing_acceleration", "pass", rf"(?<!to\s)pass(?:es|ing)?\s+{_DET}(?!\w*\s*(?:parked|stopped|stationary|stalled|disabled|construction|cones?|work|intersection|junction|crosswalk|through))(?:slow\w*(?:[\s-]moving)?|lead|leading|preceding|truck|car|vehicle|bus|van|tractor|cyclist|bicycle|lorry)\b"),
    _rule("lead_obstacle_following", "distance gap headway spacing", rf"(?:{_HOLD}|increas(?:e|es|ing)|adjust(?:s|ing)?|restor(?:e|es|ing)|leav(?:e|es|ing)|{_SLOW})\b(?:\s+\w+){{0,3}}?\s+{_DET}(?:\w+\s+){{0,3}}?(?:distance|gap|headway|spacing)\b"),
    _rule("lead_obstacle_following", "follow", rf"follow(?:s|ing)?\s+(?:behind\s+)?{_DET}(?!\w*\s*(?:lane|road|curve|bend|route|path|navigation)\b)(?:\w+\s+){{0,3}}?(?:lead|leader|leading|preceding|vehicle|car|truck|bus|van|tractor|traffic|motorcycle|cyclist|queue|it|suv|lorry)\b"),
    _rule("lead_obstacle_following", "stay queue", rf"(?:stay(?:s|ing)?|remain(?:s|ing)?|keep(?:s|ing)?)\s+(?:\w+\s+)?behind\s+{_DET}\w+"),
    _rule("lead_obstacle_following", "match adapt adjust", rf"(?:match(?:es|ing)?|adapt(?:s|ing)?|adjust(?:s|ing)?)\s+(?:\w+\s+){{0,2}}?speed\s+(?:of|to|with)\s+{_DET}(?:\w+\s+){{0,2}}?(?:lead|leader|leading|vehicle|car|truck|bus|traffic|preceding)\b"),
    _rule("speed_adaptation", "adapt adjust moderat regulat", r"(?:adapt|adjust|moderat|regulat)(?:s|e|es|ing)?\s+(?:(?:the|my|our|ego|vehicle|its)\s+)*(?:speed|velocity|pace)\b"),
    _rule(SLOWING, "slow decelerat brak reduc eas lower", rf"{_SLOW}\b"),
    _rule("set_speed_tracking", "track speed resum return", r"(?:track(?:s|ing)?|resum(?:e|es|ing)|regain(?:s|ing)?|reach(?:es|ing)?|return(?:s|ing)?\s+to|stay(?:s|ing)?\s+at)\s+(?:(?:the|my|our|a|normal|usual|its)\s+)*(?:set\s+|target\s+|cruise\s+|cruising\s+|desired\s+|normal\s+|current\s+|posted\s+|free[\s-]flow\s+)?(?:speed|velocity|limit|cruise|cruising|driving|travel)\b"),
    _rule("set_speed_tracking", "speed pace velocity", rf"{_HOLD}\s+(?:(?:the|my|our|a|an|at|up|its)\s+)*(?:current|set|constant|steady|same|target|cruising|cruise|present|safe|posted|desired|moderate)?\s*(?:set\s+)?(?:speed|pace|velocity)\b"),
    _rule("set_speed_tracking", "accelerat speed gain pick increas", rf"{_GAIN}\b"),
    _rule("set_speed_tracking", "cruis", r"cruis(?:e|es|ing)\b(?!\s+control)"),
    _rule("set_speed_tracking", "proceed", r"proceed(?:s|ing)?\b"),
    _rule("set_speed_tracking", "continu", r"continu(?:e|es|ing)\b(?!\s+(?:to\b|\w+ing\b))"),
    _rule("set_speed_tracking", "driv mov start set keep carry going go", r"(?:driv(?:e|ing)\s+(?:on|off)|mov(?:e|ing)\s+off|(?:start|begin)\s+(?:moving|driving)|set(?:ting)?\s+off|keep(?:ing)?\s+(?:going|driving|moving)|carry(?:ing)?\s+on|go(?:ing)?\s+(?:ahead|on|through)|go(?=[\s.!]*$))\b"),
    _rule("set_speed_tracking", "intersection junction", r"(?:pass|cross)(?:es|ing)?\s+(?:through\s+)?(?:the\s+)?(?:\w+\s+)?(?:intersection|junction)\b"),
)

_LANE_CUE = r"(?:lane|lanes)"
LATERAL_RULES = (
    _rule("lateral_abort", "abort cancel call give giving break abandon", r"(?:abort(?:s|ing)?|cancel(?:s|l?ing)?|call(?:s|ing)?\s+off|giv(?:e|es|ing)\s+up(?:\s+on)?|break(?:s|ing)?\s+off|abandon(?:s|ing)?)\s+(?:(?:the|my|our|this|a|planned|attempted)\s+)*(?:(?:left|right)\s+)?(?:lane[\s-]?changes?|changing\s+lanes?|merg\w+|man(?:oeuvre|euver)|nudg\w+|overtak\w+|passing|pass|change|turn)\b"),
    _rule("merge_split", "merg", r"(?:zipper[\s-])?merg(?:e|es|ing)\b(?!\s+(?:lane|area|zone|vehicle|car|truck|traffic|point|ramp|bus))"),
    _rule("merge_split", "exit ramp", rf"(?:tak(?:e|es|ing)|leav(?:e|es|ing)\s+(?:\w+\s+){{0,2}}?(?:at|by|via)|enter(?:s|ing)?|us(?:e|es|ing)|follow(?:s|ing)?|diverg(?:e|es|ing)\s+onto)\s+{_DET}(?:(?:left|right|next|off|on|highway|upcoming)[\s-]+)*(?:exit|off-?ramp|on-?ramp|ramp|slip\s+road)\b"),
    _rule("merge_split", "fork split diverg", rf"(?:{_HOLD}|stay(?:s|ing)?|bear(?:s|ing)?|go(?:ing)?|tak(?:e|es|ing)|follow(?:s|ing)?)\s+(?:\w+\s+){{0,3}}?(?:left|right)(?:\s+\w+){{0,3}}?\s+(?:fork|split|branch|diverge)\b"),
    _rule("merge_split", "join", rf"join(?:s|ing)?\s+{_DET}(?:\w+\s+)?(?:highway|motorway|freeway|main\s+road|mainline|traffic)\b"),
    _rule("pull_over", "pull park curb kerb shoulder", r"(?:pull(?:s|ing)?\s+(?:over|up\s+(?:to|at)\s+(?:the\s+)?(?:curb|kerb|side)|in\s+(?:at|to)\s+the|onto\s+the\s+shoulder|to\s+the\s+(?:curb|kerb|shoulder|(?:(?:left|right)\s+)?side))|park(?:s|ing)?\b(?!\s+(?:car|veh|lane|lot|space))|(?:approach|mov|driv|steer|go|stop)(?:e|es|ing|ping)?\s+(?:(?:on|in)?to\s+|at\s+|toward[s]?\s+)?(?:the\s+)?(?:(?:left|right)\s+)?(?:curb|kerb|shoulder|roadside))\b"),
    _rule("lane_change", "lane", rf"(?:chang(?:e|es|ing)|switch(?:es|ing)?)\s+(?:(?:to|into|one|the|a|our|my)\s+)*(?:(?:left|right|next|adjacent|neighbou?ring|target|other|passing|fast|slow|inner|outer|exit|turn)\s+)*{_LANE_CUE}\b"),
    _rule("lane_change", "lane", rf"(?:mak(?:e|es|ing)|perform(?:s|ing)?|execut(?:e|es|ing)|complet(?:e|es|ing)|do(?:ing)?|start(?:s|ing)?|begin(?:s|ning)?|initiat(?:e|es|ing)|carry(?:ing)?\s+out|finish(?:es|ing)?)\s+{_DET}(?:(?:left|right|smooth|safe)\s+)*lane[\s-]?change\b"),
    _rule("lane_change", "lane", r"lane[\s-]chang(?:e|es|ing)\b(?=\s+(?:to|left|right|into|in|toward))"),
    _rule("out_of_lane_nudge", "nudg shift steer mov veer edg swerv eas drift", rf"{_STEER}\s+{_ADVERBS}(?:{_SIDE}\s+)?(?:\w+\s+){{0,8}}?(?:out\s+of\s+(?:the\s+|our\s+|my\s+)?(?:current\s+|ego\s+)?lane|(?:across|over|onto|past|beyond)\s+(?:the\s+)?(?:\w+\s+)?(?:line|lines|marking|markings|centerline|centreline)|beyond\s+the\s+lane|into\s+(?:the\s+|a\s+|part\s+of\s+the\s+)?(?:oncoming|opposite|opposing)\s+(?:\w+\s+)?lane|partially\s+into\s+|partly\s+into\s+)"),
    _rule("out_of_lane_nudge", "nudg", rf"nudg(?:e|es|ing)\s+{_ADVERBS}(?:{_SIDE}\s+)?(?:in)?to\s+(?:the\s+)?(?:left|right|adjacent|next|neighbou?ring|other)\s+lane\b"),
    _rule("out_of_lane_nudge", "cross", r"cross(?:es|ing)?\s+(?:over\s+)?(?:the\s+)?(?:cent(?:er|re)\s?|lane\s+|solid\s+|dashed\s+|dividing\s+)(?:line|marking)"),
    _rule("out_of_lane_nudge", "straddl borrow leav", rf"(?:straddl(?:e|es|ing)|borrow(?:s|ing)?\s+{_DET}(?:\w+\s+)?lane|(?:partially|partly|briefly|slightly)\s+leav(?:e|es|ing)\s+{_DET}lane|leav(?:e|es|ing)\s+{_DET}lane\s+(?:\w+\s+)?(?:partially|partly|briefly|slightly))\b"),
    _rule("lane_change", "lane", rf"(?:mov(?:e|es|ing)|shift(?:s|ing)?|go(?:ing)?|get(?:s|ting)?|pull(?:s|ing)?|steer(?:s|ing)?|cut(?:s|ting)?|tak(?:e|es|ing)|enter(?:s|ing)?|us(?:e|es|ing))\s+{_ADVERBS}(?:{_SIDE}\s+)?(?:over\s+)?(?:one\s+|(?:in)?to\s+|onto\s+)*(?:the\s+)?(?:(?:left|right|next|adjacent|neighbou?ring|target|other|passing|fast|turn|exit)(?:-hand)?\s+)+lane\b"),
    _rule("lane_change", "lane", rf"(?:mov(?:e|es|ing)|shift(?:s|ing)?)\s+(?:over\s+)?one\s+lane\s+{_SIDE}\b"),
    _rule("turn", "turn u-turn", rf"(?:turn(?:s|ing)?\s+(?:\w+ly\s+)?(?:left|right)\b(?!\s+(?:signal|lane|arrow))|(?:mak(?:e|es|ing)|tak(?:e|es|ing)|perform(?:s|ing)?|complet(?:e|es|ing)|execut(?:e|es|ing)|start(?:s|ing)?|begin(?:s|ning)?|prepar(?:e|es|ing)\s+for)\s+{_DET}(?:(?:sharp|slow|upcoming|protected|unprotected|wide|tight|legal|planned|next)\s+)*(?:left|right|u)[\s-]?(?:hand\s+)?turn|u-turn|turn(?:s|ing)?\s+(?:at|into|onto|here|in)\b)"),
    _rule("turn", "turn", r"(?<=for\sthe\s)(?:(?:upcoming|planned|next|sharp)\s+)*(?:left|right)\s+turn\b(?!\s+lane)"),
    _rule("turn", "tak", r"tak(?:e|es|ing)\s+(?:the|a)\s+(?:next\s+|first\s+|second\s+)?(?:left|right)\b(?!\s+(?:lane|exit|ramp|fork|branch|side))"),
    _rule("lane_keeping", "nudg shift steer mov", r"(?:steer(?:s|ing)?|mov(?:e|es|ing)|return(?:s|ing)?)\s+(?:back\s+)?to\s+(?:the\s+)?(?:lane\s+cent(?:er|re)|cent(?:er|re)\s+of\s+)"),
    _rule("in_lane_nudge", "nudg", r"nudg(?:e|es|ing)\b(?!\s+(?:forward|ahead))"),
    _rule("in_lane_nudge", "left right", rf"{_STEER}\s+{_ADVERBS}{_SIDE}\b(?!\s+(?:lane|turn))"),
    _rule("in_lane_nudge", "around away", rf"(?:{_STEER}|go(?:ing)?|driv(?:e|es|ing))\s+{_ADVERBS}(?:{_SIDE}\s+)?(?:around|away\s+from)\s+{_DET}(?!\w*\s*(?:curve|bend|corner|roundabout))\w+"),
    _rule("in_lane_nudge", "room space clearance berth", r"(?:giv(?:e|es|ing)|leav(?:e|es|ing)|mak(?:e|es|ing)|creat(?:e|es|ing))\s+(?:\w+\s+){0,4}?(?:more|extra|wide|lateral|additional|some|enough|sufficient)\s+(?:\w+\s+)?(?:room|space|clearance|berth|distance)\b"),
    _rule("lane_keeping", "lane", rf"(?:{_HOLD}|stay(?:s|ing)?|remain(?:s|ing)?|follow(?:s|ing)?|continu(?:e|es|ing)|driv(?:e|es|ing)|return(?:s|ing)?|stick(?:s|ing)?|proceed(?:s|ing)?)\s+(?:back\s+)?(?:straight\s+|centered\s+|centred\s+)?(?:(?:in|to|within|inside|on|along|through)\s+)?{_DET}(?:same\s+|present\s+|original\s+|ego\s+)?lane\b(?!\s+(?:change|closure|end))"),
    _rule("lane_keeping", "lane", rf"(?:{_HOLD}|stay(?:s|ing)?|remain(?:s|ing)?)\s+(?:in|to|within)\s+the\s+(?:left|right|middle)\s+lane\b"),
    _rule("lane_keeping", "lane", r"lane[\s-]keeping\b"),
    _rule("lane_keeping", "cent", rf"(?:{_HOLD}|stay(?:s|ing)?|remain(?:s|ing)?)\s+(?:\w+\s+)?cent(?:ered|red|er|re)\b"),
    _rule("lane_keeping", "straight", r"(?:go(?:ing)?|driv(?:e|es|ing)|continu(?:e|es|ing)|keep(?:s|ing)?|proceed(?:s|ing)?|head(?:s|ing)?|stay(?:s|ing)?|mov(?:e|es|ing))\s+(?:going\s+|on\s+)?straight\b"),
    _rule("lane_keeping", "follow", rf"follow(?:s|ing)?\s+{_DET}(?:\w+\s+)?(?:road|curve|bend|curvature)\b"),
)
