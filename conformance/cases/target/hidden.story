story: a hidden peer is passed over by multicast, and reached directly
covers: mesh protocol 3.5; mesh protocol 4.2

mesh garden with ann, bob, carl
ann connects
bob connects
carl connects
bob sends {"type":"set_visible","visible":false,"_reqId":"h"}
bob sees ack {id: h}
ann tells * "all" as c1
ann sees ack {id: c1, recipients: 1}
carl hears "all"
bob sees nothing
ann tells bob "you" as c2
ann sees ack {id: c2, queued: true, online: 1}
bob hears "you"
bob acks
bob sends {"type":"set_visible","visible":true,"_reqId":"v"}
bob sees ack {id: v}
ann tells * "all again" as c3
ann sees ack {id: c3, recipients: 2}
bob hears "all again"
