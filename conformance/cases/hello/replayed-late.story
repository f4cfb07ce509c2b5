story: a captured hello is refused for its age once it is no longer remembered
covers: mesh protocol 2.2; f_aut_03
memory-only: a minute passes

mesh garden with ann
ann connects
wait 59s
eve repeats hello of ann
eve sees error {code: replayed}
eve sees close 1008 replayed
wait 2s
eve#2 repeats hello of ann
eve#2 sees error {code: timestamp_skew}
eve#2 sees close 1008 timestamp_skew
