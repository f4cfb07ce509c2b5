story: events go to the operator's target and nowhere else, whatever they and the target say
covers: runner protocol 4; f_inj_03; f_inj_04
config runner_secrets=the-secret-of-runners

r1 runs as r1
r1 sends {"type": "log", "id": "e1", "url": "http://169.254.169.254/", "target": "http://10.0.0.1:80",
  "eventTarget": "file:///etc/passwd", "headers": {"host": "elsewhere"}}
target sees with x-event-id=e1 {url: "http://169.254.169.254/"}
# An id that would end its header does not.
r1 sends {"type": "log", "id": "e2\r\nX-Other: y", "text": "two"}
target sees {text: two}
# A redirect is an answer: it is waited out, and not followed.
target answers 302
r1 sends {"type": "log", "id": "e3"}
target sees with x-event-id=e3
target sees nothing
