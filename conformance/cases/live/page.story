story: the page of live topics loads nothing from elsewhere and holds nothing of anybody
covers: live protocol 5.4

config live_secret=the-secret-of-live-topics

live GET / with authorization="" -> 200 with content-type="text/html; charset=utf-8" x-content-type-options=nosniff referrer-policy=no-referrer "<title>peermesh live topics</title>"
live GET /page.js -> 404 with content-length=0
