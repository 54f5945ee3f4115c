// bench/peers/haraka-sink.js - Haraka relays whatever it is given, and to one next hop, out of its queue on disk.
'use strict'

exports.hook_connect = function (next, connection) {
    connection.relaying = true
    next()
}

exports.hook_rcpt = (next) => next(OK)

exports.hook_get_mx = (next) => next(OK, [{ priority: 0, exchange: '127.0.0.1', port: @NEXT_HOP@ }])
