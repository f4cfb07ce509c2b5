story: of refused changes of keys no more are logged than of other doings of strangers
covers: mesh protocol 9.2; f_dos_05
limits stranger_logs_per_minute_max=1

mesh garden with ann
ann rotates to ann2 with meshId=one signer=eve -> 401 {error: unauthorized}
ann rotates to ann2 with meshId=two signer=eve -> 401 {error: unauthorized}
log "member key not rotated" {reason: unauthorized, mesh_id: one}
no log "member key not rotated" {mesh_id: two}
