#!/usr/bin/env python3
"""tests/e2e/test_bench_tools.py - bench/source and bench/sink against each other and other peers; bench/floor.

The tools judge the relay, so they are judged first: by counting, by comparing octets, by faults whose outcome is
known beforehand, and by peers that share no code with them (smtplib, raw sockets). The environment variable BUILD
names the build directory. Prints "ok NAME" for each test; exit status 0 when all passed.
"""
import json
import os
import random
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", "build")
SOURCE = os.path.join(BUILD, "bench", "source")
SINK = os.path.join(BUILD, "bench", "sink")
FLOOR = os.path.join(BUILD, "bench", "floor")
TIMEOUT = 60
scratch = None


def path(name):
    return os.path.join(scratch, name)


def lines(name):
    with open(path(name)) as f:
        return [int(line) for line in f.read().split()]


def remove(*names):
    for name in names:
        if os.path.exists(path(name)):
            os.unlink(path(name))


class Sink:
    """Runs a sink; leaving the block ends it with SIGTERM and leaves the result and exit status."""

    def __init__(self, *arguments, listen="127.0.0.1:0", wait=False):
        self.arguments, self.listen, self.wait = arguments, listen, wait
        self.result = self.status = None

    def __enter__(self):
        remove("sink.json", "received", "record")
        self.process = subprocess.Popen([SINK, "--listen", self.listen, "--json", path("sink.json"), *self.arguments],
                                        stdout=subprocess.PIPE)
        ready = json.loads(self.process.stdout.readline())
        assert ready["event"] == "ready", ready
        self.address = ready["address"]
        self.port = int(self.address.rsplit(":", 1)[1])
        return self

    def __exit__(self, kind, value, trace):
        if not self.wait or kind:
            self.process.send_signal(signal.SIGTERM)
        self.status = self.process.wait(TIMEOUT)
        self.process.stdout.close()
        if os.path.exists(path("sink.json")):
            with open(path("sink.json")) as f:
                self.result = json.load(f)

    def connect(self):
        peer = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
        return peer, peer.makefile("rb")


def source(address, *arguments, expect=0):
    run = subprocess.run([SOURCE, "--target", address, "--json", path("source.json"), *arguments],
                         stderr=subprocess.PIPE, timeout=TIMEOUT, text=True)
    assert run.returncode == expect, "source ended with %d instead of %d: %s" % (run.returncode, expect, run.stderr)
    with open(path("source.json")) as f:
        return json.load(f)


def records():
    """What --record wrote: a list of (JSON, content)."""
    found = []
    with open(path("record"), "rb") as f:
        while line := f.readline():
            about = json.loads(line)
            found.append((about, f.read(about["octets"])))
            assert f.read(1) == b"\n"
    return found


def make_certificates():
    def run(*arguments):
        subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
        "/CN=test authority", "-keyout", path("ca.key"), "-out", path("ca.pem"))
    for name in ("server", "client"):
        with open(path("extensions"), "w") as f:
            f.write("subjectAltName=DNS:%s.example.org\n" % name)
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=%s" % name,
            "-keyout", path(name + ".key"), "-out", path(name + ".csr"))
        run("x509", "-req", "-in", path(name + ".csr"), "-CA", path("ca.pem"), "-CAkey", path("ca.key"),
            "-CAcreateserial", "-days", "30", "-extfile", path("extensions"), "-out", path(name + ".pem"))


def server_tls(mode):
    return ("--tls", mode, "--certificate", path("server.pem"), "--private-key", path("server.key"))


VERIFY = None  # set in main(): the source's options that verify the sink


# ---- source against sink ------------------------------------------------------------------------------------------

def check_all(sink, result, count):
    assert result["accepted"] == result["sent"] == result["messages"] == count, result
    assert result["complete"] and not result["first_error"], result
    assert sink.status == 0 and sink.result["distinct"] == sink.result["messages"] == count, sink.result
    assert sink.result["bad"] == sink.result["violations"] == sink.result["duplicates"] == 0, sink.result
    assert result["latency_content"]["count"] == result["latency_message"]["count"] == count
    assert result["bytes"] == sink.result["bytes"], (result["bytes"], sink.result["bytes"])


MODES = [("lockstep",), ("lockstep", "--chunking"), ("grouped",), ("grouped", "--chunking"), ("pipelined",),
         ("pipelined", "--chunking")]


def test_modes_plain():
    for mode in MODES:
        for connections in ("1", "7"):
            with Sink("--expect", "1-300") as sink:
                result = source(sink.address, "--messages", "300", "--connections", connections, "--mode", *mode)
            check_all(sink, result, 300)
            assert sink.result["missing"] == 0 and sink.result["connections_peak"] == int(connections)
            assert sink.result["commands"].get("BDAT", 0) == (300 if "--chunking" in mode else 0)


def test_blind():
    for mode in ("grouped", "pipelined"):
        with Sink() as sink:
            result = source(sink.address, "--messages", "300", "--mode", mode, "--blind")
        assert result["accepted"] == sink.result["distinct"] == 300
        assert sink.result["violations"] == 300, "the sink must notice content before its 354"


def test_modes_tls():
    for mode in MODES:
        for server, client in (("starttls", "--starttls"), ("starttls-required", "--starttls"), ("implicit", "--tls")):
            with Sink(*server_tls(server)) as sink:
                result = source(sink.address, "--messages", "200", "--connections", "3", client, *VERIFY, "--mode",
                                *mode)
            check_all(sink, result, 200)
            assert sink.result["handshakes"] == result["handshakes"] == 3
            assert sum(sink.result["tls_versions"].values()) == sum(sink.result["tls_ciphers"].values()) == 3


def test_sizes():
    """From the smallest to beyond every buffer; both ways of sending carry the same octets."""
    for size in ("1", "1023", "65536", "300000", "3MiB"):
        contents = []
        for mode in (("lockstep",), ("pipelined", "--chunking")):
            for server, client in (((), ()), (server_tls("starttls"), ("--starttls",))):
                with Sink("--record", path("record"), *server) as sink:
                    result = source(sink.address, "--messages", "4", "--size", size, "--mode", *mode, *client)
                check_all(sink, result, 4)
                recorded = records()
                assert [about["sequence"] for about, _ in recorded] == [1, 2, 3, 4]
                assert all(about["tls"] == bool(client) for about, _ in recorded)
                contents.append([content for _, content in recorded])
                assert all(len(c) == result["options"]["size"] for c in contents[-1])
        if size != "1":
            want = {"1023": 1023, "65536": 65536, "300000": 300000, "3MiB": 3 << 20}[size]
            assert len(contents[0][0]) == want
        for other in contents[1:]:
            for a, b in zip(contents[0], other):
                assert a.split(b"\r\n\r\n", 1)[1] == b.split(b"\r\n\r\n", 1)[1]


def test_recipients():
    for mode in (("lockstep",), ("pipelined",), ("grouped", "--chunking")):
        with Sink("--record", path("record")) as sink:
            source(sink.address, "--messages", "20", "--recipients", "40", "--mode", *mode, "--sender", "",
                   "--recipient", "box@example.org")
        assert sink.result["recipients"] == 800
        about = records()[0][0]
        assert about["mail"].startswith("<>") and len(about["rcpt"]) == 40
        assert about["rcpt"][0] == "<box@example.org>" and about["rcpt"][39] == "<box-40@example.org>"


def test_domains():
    for mode in ("lockstep", "pipelined"):
        with Sink("--record", path("record")) as sink:
            source(sink.address, "--messages", "9", "--recipients", "3", "--domains", "4", "--mode", mode,
                   "--recipient", "box@example.org")
        found = sorted(tuple(about["rcpt"]) for about, _ in records())
        domains = ["@d00000%d.example.org>" % (1 + i % 4) for i in range(1, 10)]
        assert found == sorted(tuple(local + domain for local in ("<box", "<box-2", "<box-3")) for domain in domains)


def test_threads():
    with Sink("--threads", "2", "--expect", "1000-2999", *server_tls("starttls")) as sink:
        result = source(sink.address, "--threads", "2", "--connections", "20", "--messages", "2000", "--chunking",
                        "--sequence-start", "1000", "--starttls")
    check_all(sink, result, 2000)


def test_ipv6():
    with Sink(listen="[::1]:0") as sink:
        check = source(sink.address, "--messages", "10")
    assert check["accepted"] == 10 and sink.address.startswith("[::1]:")


def test_fallback():
    for missing in ("--no-pipelining", "--no-chunking"):
        with Sink(missing, "--no-size", "--no-8bitmime", "--no-enhanced") as sink:
            result = source(sink.address, "--messages", "50", "--chunking")
        check_all(sink, result, 50)
        assert result["fallbacks"] == 1
        assert ("BDAT" in sink.result["commands"]) == (missing == "--no-pipelining")


def test_connection_limits():
    with Sink() as sink:
        result = source(sink.address, "--messages", "100", "--messages-per-connection", "7", "--connections", "2")
    check_all(sink, result, 100)
    assert sink.result["connections"] >= 15 and sink.result["disconnects"] == 0
    assert sink.result["commands"]["QUIT"] == sink.result["connections"]
    with Sink("--max-connections", "3") as sink:
        result = source(sink.address, "--messages", "2000", "--connections", "10", "--rate", "4000", expect=0)
    assert result["accepted"] == 2000 and result["disconnects"] == sink.result["connections_refused"] == 7
    assert "421" in result["first_error"]


def test_resumption():
    with Sink(*server_tls("starttls")) as sink:
        result = source(sink.address, "--messages", "40", "--messages-per-connection", "4", "--starttls", "--resume")
    check_all(sink, result, 40)
    assert result["handshakes"] == 10 and result["handshakes_resumed"] == sink.result["handshakes_resumed"] == 9


def test_tls_refusals():
    with Sink(*server_tls("starttls-required")) as sink:
        result = source(sink.address, "--messages", "5", "--mode", "lockstep", expect=1)
    assert result["refused_by_code"] == {"530": 5} and sink.result["messages"] == 0
    with Sink() as sink:
        result = source(sink.address, "--messages", "5", "--starttls", expect=1)
    assert result["accepted"] == 0 and "STARTTLS is not offered" in result["first_error"]
    with Sink(*server_tls("implicit")) as sink:
        result = source(sink.address, "--messages", "5", "--tls", "--ca", path("ca.pem"), "--server-name",
                        "other.example.org", expect=1)
    assert result["accepted"] == 0 and result["handshake_failures"] == 1, result


def test_client_certificate():
    demand = ("--client-ca", path("ca.pem"))
    show = ("--certificate", path("client.pem"), "--private-key", path("client.key"))
    for server, client in (("starttls", "--starttls"), ("implicit", "--tls")):
        with Sink(*server_tls(server), *demand) as sink:
            result = source(sink.address, "--messages", "20", client, *show)
        check_all(sink, result, 20)
        with Sink(*server_tls(server), *demand) as sink:
            result = source(sink.address, "--messages", "20", client, expect=1)
        assert result["accepted"] == sink.result["messages"] == 0
        assert sink.result["handshake_failures"] == 1 and sink.result["first_tls_error"]


def test_rate():
    """Open loop: the schedule is kept, and time that the server loses counts."""
    with Sink() as sink:
        begin = time.monotonic()
        result = source(sink.address, "--rate", "500", "--messages", "500", "--connections", "5", "--threads", "2")
        elapsed = time.monotonic() - begin
    check_all(sink, result, 500)
    # The schedule is the fastest that may be; a busy machine may not keep up with it.
    assert elapsed > 0.9 and 50 < result["rate"] < 560, (elapsed, result["rate"])
    with Sink("--delay", "20") as sink:
        slow = source(sink.address, "--rate", "200", "--messages", "100", "--mode", "lockstep")
    # One connection gives about 12 a second: the last message waits for nearly the whole run, its content for no other.
    assert slow["latency_message"]["max_us"] > 4e6, slow
    assert slow["latency_content"]["p50_us"] < slow["latency_message"]["max_us"] / 20, slow


def test_duration():
    with Sink() as sink:
        begin = time.monotonic()
        result = source(sink.address, "--duration", "700ms", "--rate", "1000")
        elapsed = time.monotonic() - begin
    assert elapsed > 0.6 and 0 < result["accepted"] < 800
    assert result["accepted"] == result["messages"] == sink.result["distinct"]


def test_delay():
    with Sink("--delay", "50ms") as sink:
        result = source(sink.address, "--messages", "4", "--mode", "lockstep")
    # MAIL, RCPT, DATA and the end wait 50 ms each.
    assert result["latency_message"]["p50_us"] > 199e3, result["latency_message"]
    with Sink("--delay", "50") as sink:
        result = source(sink.address, "--messages", "2000", "--chunking", "--window", "200")
    check_all(sink, result, 2000)
    # Ten windows: half a second and a little, not 2000 times 50 ms.
    assert 0.4 < result["seconds"] < 50, result["seconds"]


def test_faults_counted():
    """A fault each so many times has an outcome known beforehand."""
    for mode in MODES:
        stages = ("mail", "rcpt", "end") if "--chunking" in mode else ("mail", "rcpt", "data", "end")
        for stage in stages:
            with Sink("--fail", stage + ":452:every=10", "--received", path("received")) as sink:
                result = source(sink.address, "--messages", "200", "--mode", *mode, "--acknowledged",
                                path("acknowledged"), expect=1)
            assert result["refused"] == sink.result["faults"], (mode, stage, result, sink.result)
            assert result["refused"] in (19, 20, 22), (mode, stage, result)
            assert set(result["refused_by_code"]) == {"452"}, (mode, stage, result)
            assert result["accepted"] == 200 - result["refused"] == sink.result["distinct"]
            assert sorted(lines("acknowledged")) == sorted(lines("received")), (mode, stage)
            assert result["unacknowledged"] == result["disconnects"] == 0
    with Sink("--fail", "rcpt:550:every=4") as sink:
        result = source(sink.address, "--messages", "20", "--recipients", "4")
    assert result["recipients_refused"] == 20 and sink.result["recipients"] == 60


def test_kept_transaction():
    """After a refused BDAT the source resets; a message is never taken for refused and accepted at once."""
    for mode in ("lockstep", "grouped"):
        for stage in ("rcpt", "end"):
            with Sink("--keep-transaction", "--fail", stage + ":452:every=10", "--record", path("record")) as sink:
                result = source(sink.address, "--messages", "100", "--mode", mode, "--chunking", expect=1)
            assert result["accepted"] == sink.result["distinct"] == 100 - result["refused"]
            assert sink.result["commands"]["RSET"] in (result["refused"], result["refused"] - 1)
            assert all(len(about["rcpt"]) == 1 for about, _ in records())
    with Sink("--keep-transaction") as sink:
        peer, reader = sink.connect()
        converse(peer, reader, [(None, "220"), (b"EHLO p\r\n", "250"), (b"MAIL FROM:<a@x.org>\r\n", "250"),
                                (b"BDAT 2 LAST\r\n\r\n", "554"), (b"MAIL FROM:<a@x.org>\r\n", "503"),
                                (b"RCPT TO:<b@x.org>\r\nBDAT 2 LAST\r\n\r\n", "250 250")])
        peer.close()


def test_faults_seeded():
    seen = []
    for seed in ("1", "1", "2"):
        with Sink("--fail", "rcpt:450:0.2", "--fail", "end:554:0.1", "--seed", seed) as sink:
            result = source(sink.address, "--messages", "300", "--mode", "grouped", expect=1)
        seen.append((result["accepted"], result["refused_by_code"]))
        assert 150 < result["accepted"] < 280
    assert seen[0] == seen[1] and seen[0] != seen[2], seen
    with Sink("--fail", "connect:554:every=2", "--fail", "helo:421:every=3") as sink:
        result = source(sink.address, "--messages", "30", "--connections", "6", "--rate", "100",
                        "--on-disconnect", "reconnect")
    assert result["accepted"] == 30 and result["disconnects"] >= 2


def test_disconnect_stop():
    for mode in MODES:
        with Sink("--disconnect", "rcpt:every=40", "--received", path("received")) as sink:
            result = source(sink.address, "--messages", "200", "--connections", "2", "--mode", *mode, "--acknowledged",
                            path("acknowledged"), expect=1)
        acknowledged, received = lines("acknowledged"), lines("received")
        assert len(acknowledged) == len(set(acknowledged)) == result["accepted"]
        assert set(acknowledged) <= set(received), "acknowledged what never came"
        assert result["accepted"] + result["unacknowledged"] == result["messages"] < 200, (mode, result)
        assert result["disconnects"] == 2 and result["unacknowledged"] >= 2


def test_disconnect_reconnect():
    for stage in ("mail:every=30", "end:every=25", "accepted:every=20", "connect:every=4", "helo:0.2"):
        for tls in ((), ("--starttls",)):
            for mode in MODES:
                with Sink("--disconnect", stage, "--received", path("received"), "--expect", "1-150",
                          *(server_tls("starttls") if tls else ())) as sink:
                    result = source(sink.address, "--messages", "150", "--connections", "2", "--mode", *mode, *tls,
                                    "--on-disconnect", "reconnect", "--acknowledged", path("acknowledged"),
                                    "--messages-per-connection", "40", "--window", "8")
                where = (stage, tls, mode, result, sink.result)
                assert sorted(lines("acknowledged")) == list(range(1, 151)), where
                assert set(lines("received")) == set(range(1, 151)), where
                assert sink.result["missing"] == 0 and sink.result["distinct"] == 150, where
                assert sink.result["duplicates"] == sink.result["messages"] - 150, where
                # What the sink took and did not answer must come again; a duplicate is the price of not losing it.
                if stage.startswith("accepted"):
                    assert sink.result["duplicates"] >= 5 and result["resent"] >= 5, where
                assert result["unacknowledged"] == 0, where
                assert (result["ungreeted"] > 0) == stage.startswith("connect"), where


def wait_acknowledged(count):
    """Until the file has so many lines. It must have been removed before the source was started."""
    begin = time.monotonic()
    while not os.path.exists(path("acknowledged")) or len(lines("acknowledged")) < count:
        assert time.monotonic() - begin < TIMEOUT, "no %d acknowledged after %d s" % (count, TIMEOUT)
        time.sleep(0.01)


def test_source_killed():
    """What the file says was acknowledged was received, also when the source dies in the middle."""
    remove("acknowledged")
    with Sink("--received", path("received")) as sink:
        process = subprocess.Popen([SOURCE, "--target", sink.address, "--messages", "100000000", "--chunking",
                                    "--connections", "4", "--acknowledged", path("acknowledged")],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_acknowledged(2000)
        process.kill()
        process.wait(TIMEOUT)
    acknowledged, received = lines("acknowledged"), set(lines("received"))
    # How far the file is behind is a matter of whose turn it was.
    assert len(acknowledged) >= 2000 and set(acknowledged) <= received


def test_sink_gone():
    """The server is killed: in-flight messages are not claimed; a second server gets the rest."""
    remove("acknowledged")
    with Sink() as sink:
        address = sink.address
        process = subprocess.Popen([SOURCE, "--target", address, "--messages", "20000", "--rate", "8000",
                                    "--connections", "4", "--on-disconnect", "reconnect", "--json", path("source.json"),
                                    "--acknowledged", path("acknowledged")], stderr=subprocess.DEVNULL)
        wait_acknowledged(1)
        sink.process.kill()
        sink.process.wait(TIMEOUT)
        before = len(lines("acknowledged"))
        with Sink("--received", path("received"), listen=address) as second:
            assert process.wait(TIMEOUT) == 0
    with open(path("source.json")) as f:
        result = json.load(f)
    assert 0 < before < 20000 and result["accepted"] == 20000 and sorted(lines("acknowledged")) == list(range(1, 20001))
    assert result["resent"] > 0 and second.result["distinct"] >= 20000 - before - 4 * 100


def test_sink_stops_itself():
    with Sink("--messages", "100", "--expect", "1-100", wait=True) as sink:
        result = source(sink.address, "--messages", "100")
    check_all(sink, result, 100)
    with Sink("--messages", "101", "--expect", "0-130") as sink:
        source(sink.address, "--messages", "100")
    assert sink.status == 1 and sink.result["missing"] == 31 and not sink.result["complete"]
    assert sink.result["missing_first"] == [0] + list(range(101, 120))


def test_silent_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = source("127.0.0.1:%d" % server.getsockname()[1], "--timeout", "400ms", "--messages", "3", expect=1)
    assert result["accepted"] == 0 and "no answer" in result["first_error"]


def test_arguments():
    for arguments, word in (((), "--target"), (("--target", "localhost:25"), "numeric"),
                            (("--target", "127.0.0.1:25", "--mode", "fast"), "lockstep"),
                            (("--target", "127.0.0.1:25", "--size", "4XB"), "size"),
                            (("--target", "127.0.0.1:25", "--size", "-1"), "size"),
                            (("--target", "127.0.0.1:25", "--messages", "0"), "whole number"),
                            (("--target", "127.0.0.1:25", "--starttls", "--tls"), "exclude"),
                            (("--target", "127.0.0.1:25", "--blind", "--chunking"), "--blind"),
                            (("--target", "127.0.0.1:25", "--ca", "x"), "need"),
                            (("--target", "127.0.0.1:25", "--rate", "0"), "--rate"),
                            (("--target", "127.0.0.1:25", "--nonsense"), "nonsense"),
                            (("--target", "127.0.0.1:25", "stray"), "stray"),
                            (("--target", "127.0.0.1:25", "--tls", "--ca", path("none"), "--server-name", "x"), "TLS")):
        run = subprocess.run([SOURCE, *arguments], capture_output=True, text=True, timeout=TIMEOUT)
        assert run.returncode == 2 and word in run.stderr, (arguments, run)
    for arguments, word in (((), "--listen"), (("--tls", "on"), "starttls"), (("--tls", "implicit"), "--certificate"),
                            (("--fail", "rcpt:450"), "STAGE"), (("--fail", "rcpt:200:1"), "400"),
                            (("--fail", "rpct:450:1"), "rcpt"), (("--fail", "rcpt:450:2"), "probability"),
                            (("--expect", "10-1"), "--expect"), (("--delay", "soon"), "--delay"),
                            (("--received", path("no/such/file")), "cannot open")):
        listen = ("--listen", "127.0.0.1:0") if arguments else ()
        run = subprocess.run([SINK, *listen, *arguments], capture_output=True, text=True, timeout=TIMEOUT)
        assert run.returncode == 2 and word in run.stderr, (arguments, run)


def test_help():
    """Every program that people start says what it is, and does nothing else: no package is asked for."""
    programs = [os.path.join(BUILD, "bench", name) for name in
                ("source", "sink", "floor", "micro_commit", "micro_content", "micro_queue", "micro_smtp", "micro_spool",
                 "micro_tls", "micro_wheel")]
    programs += [os.path.join(ROOT, name) for name in
                 ("bench/compare", "bench/demo", "bench/endurance", "bench/idle", "bench/micro", "bench/peers/install",
                  "bench/stages", "tests/fuzz/run", "tests/install-dependencies", "tests/install-peers", "tests/run",
                  "tests/tidy.py")]
    for program in programs:
        run = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=TIMEOUT,
                             env=dict(os.environ, PATH="/usr/bin:/bin", PYTHONDONTWRITEBYTECODE="1"))
        name = os.path.basename(program)
        assert run.returncode == 0 and name in run.stdout and not run.stderr, (program, run)


def test_file_system():
    sys.path.insert(0, os.path.join(ROOT, "bench", "peers"))
    from measure import file_system
    asked = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", ROOT], capture_output=True, text=True).stdout.split()
    # In a chroot the mount above it cannot be seen, by findmnt neither.
    expected = asked[-1] if asked else "a file system whose mount is not visible here"
    assert file_system(ROOT) == expected and file_system("/proc/self") == "proc", asked


# ---- the sink against other peers ---------------------------------------------------------------------------------

TRICKY = b"Subject: dots\r\n\r\n.\r\n..\r\n.leading\r\nmiddle.\r\n\r\n. \r\n....\r\n\xe4\xf6\x00\xff\r\n"


def test_smtplib():
    context = ssl.create_default_context(cafile=path("ca.pem"))
    context.check_hostname = False
    for mode in ("off", "starttls", "implicit"):
        with Sink("--record", path("record"), *(server_tls(mode) if mode != "off" else ())) as sink:
            kind = smtplib.SMTP_SSL if mode == "implicit" else smtplib.SMTP
            extra = {"context": context} if mode == "implicit" else {}
            with kind("127.0.0.1", sink.port, local_hostname="peer.example.org", timeout=TIMEOUT, **extra) as peer:
                if mode == "starttls":
                    peer.starttls(context=context)
                peer.sendmail("a@example.org", ["b@example.org", "c@example.org"], TRICKY)
                peer.sendmail("", ["b@example.org"], b"X-Postrider-Sequence: 77\r\n\r\nhello\r\n")
                assert peer.noop()[0] == 250 and peer.rset()[0] == 250 and peer.verify("x")[0] == 252
        (first, content), (second, _) = records()
        assert content == TRICKY and first["by"] == "DATA" and "sequence" not in first
        assert first["rcpt"] == ["<b@example.org>", "<c@example.org>"] and second["sequence"] == 77
        assert sink.result["messages"] == 2 and sink.result["distinct"] == sink.result["unnumbered"] == 1
        assert sink.result["handshakes"] == (mode != "off") and sink.result["bad"] == 0


def converse(peer, reader, steps):
    """Sends each step and expects replies that begin with the codes named."""
    for data, codes in steps:
        if data is not None:
            peer.sendall(data)
        for code in codes.split():
            while True:
                line = reader.readline()
                assert line.startswith(code.encode()), (data, codes, line)
                if line[3:4] != b"-":
                    break


ENVELOPE = b"MAIL FROM:<a@x.org>\r\nRCPT TO:<b@x.org>\r\n"


def test_order_of_commands():
    with Sink("--record", path("record")) as sink:
        peer, reader = sink.connect()
        converse(peer, reader, [
            (None, "220"),
            (b"MAIL FROM:<a@x.org>\r\n", "503"), (b"EHLO p\r\n", "250"), (b"RCPT TO:<b@x.org>\r\n", "503"),
            (b"DATA\r\n", "503"), (b"BDAT 5 LAST\r\nQUIT\n", "503"), (b"MAIL FROM:<a@x.org>\r\n", "250"),
            (b"MAIL FROM:<a@x.org>\r\n", "503"), (b"DATA\r\n", "554"), (b"RCPT TO:b@x.org\r\n", "501"),
            (b"RCPT TO:<b@x.org> NOTIFY=NEVER\r\n", "555"), (b"RCPT TO:<b@x.org>\r\n", "250"), (b"RSET\r\n", "250"),
            (b"MAIL FROM:<a@x.org> SIZE=99999999999\r\n", "552"), (b"STARTTLS\r\n", "502"), (b"WHAT\r\n", "500"),
            (b"mail from:<a@x.org> size=5 body=8bitmime\r\nrcpt to:<b@x.org>\r\n", "250 250"),
            # Chunks, the last of them empty; then three whole messages at once, the second without recipients.
            (b"BDAT 3\r\nabc", "250"), (b"DATA\r\n", "503"), (b"BDAT 2\r\n\r\n", "250"), (b"BDAT 0 LAST\r\n", "250"),
            ((ENVELOPE + b"BDAT 7 LAST\r\nfirst\r\n") +
             (b"MAIL FROM:<a@x.org>\r\nRCPT TO:<>x\r\nBDAT 7 LAST\r\nQUIT\r\nx"),
             "250 250 250 250 555 554"),
            (b"RSET\r\n" + ENVELOPE + b"BDAT 7 LAST\r\nthird\r\nNOOP\r\n", "250 250 250 250 250"),
            (ENVELOPE + b"BDAT x\r\n", "250 250 501"),
        ])
        assert reader.read() == b"", "after a BDAT of unknown length the sink must close"
        peer.close()
    assert [content for _, content in records()] == [b"abc\r\n", b"first\r\n", b"third\r\n"]


def test_content_faults():
    """Only CRLF.CRLF ends data; every bare CR and LF is noticed, wherever it lies in a block."""
    with Sink("--record", path("record")) as sink:
        peer, reader = sink.connect()
        converse(peer, reader, [(None, "220"), (b"EHLO p\r\n", "250")])
        sent, wrong = [], 0
        for fault in (b"", b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\r\n", b"x\ny",
                      b"x\ry"):
            for before in list(range(0, 70)) + [127, 128, 129, 200]:
                content = b"s: x\r\n\r\n" + b"a" * before + fault + b"z" * 80 + b"\r\n"
                stuffed = b"\r\n".join(b"." + l if l.startswith(b".") else l for l in content.split(b"\r\n"))
                converse(peer, reader, [(ENVELOPE + b"DATA\r\n", "250 250 354"), (stuffed + b".\r\n", "250"),
                                        (ENVELOPE + b"BDAT %d LAST\r\n" % len(content) + content, "250 250 250")])
                sent += [content, content]
                wrong += 2 * bool(fault)
        peer.close()
    assert [content for _, content in records()] == sent
    assert sink.result["bad"] == wrong and sink.result["messages"] == len(sent), sink.result


def test_segmentation():
    """The same dialogue in any segmentation gives the same replies and messages."""
    for seed in range(12):
        chance = random.Random(seed)
        with Sink("--record", path("record")) as sink:
            peer, reader = sink.connect()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stuffed = TRICKY.replace(b"\r\n.", b"\r\n..")
            octets = (b"EHLO p\r\n" + ENVELOPE + b"BDAT %d LAST\r\n" % len(TRICKY) + TRICKY + ENVELOPE + b"DATA\r\n")
            rest = stuffed + b".\r\n" + ENVELOPE + b"BDAT 4\r\nab\r\nBDAT 2 LAST\r\n\r\nQUIT\r\n"

            def dribble(data):
                while data:
                    n = 1 if seed == 0 else chance.choice((1, 2, 3, 7, 40))
                    peer.sendall(data[:n])
                    data = data[n:]
                    if chance.random() < 0.3:
                        time.sleep(0.0005)

            sender = threading.Thread(target=lambda: (dribble(octets), dribble(rest)))
            sender.start()
            converse(peer, reader, [(None, "220 250 250 250 250 250 250 354 250 250 250 250 250 221")])
            sender.join()
            assert reader.read() == b""
            peer.close()
        assert [content for _, content in records()] == [TRICKY, TRICKY, b"ab\r\n\r\n"]


def test_starttls_injection():
    """Commands in the clear behind STARTTLS are thrown away, with and without delay."""
    for delay in ("0", "30"):
        with Sink("--delay", delay, *server_tls("starttls")) as sink:
            peer, reader = sink.connect()
            converse(peer, reader, [(None, "220"), (b"EHLO p\r\n", "250"), (b"STARTTLS\r\nNOOP\r\nRSET\r\n", "220")])
            context = ssl.create_default_context(cafile=path("ca.pem"))
            secure = context.wrap_socket(peer, server_hostname="server.example.org")
            lines_in = secure.makefile("rb")
            converse(secure, lines_in, [(b"MAIL FROM:<a@x.org>\r\n", "503"), (b"EHLO p\r\n", "250"),
                                        (ENVELOPE + b"BDAT 2 LAST\r\n\r\n", "250 250 250"), (b"STARTTLS\r\n", "503"),
                                        (b"QUIT\r\n", "221")])
            assert lines_in.read() == b""
            secure.close()
        assert "NOOP" not in sink.result["commands"] and sink.result["messages"] == 1


def test_sign_in():
    """With --auth nobody sends before, by whatever mechanism; what is asked for behind 334 is not judged."""
    for said in ([(b"AUTH PLAIN AHgAeQ==\r\n", "235")], [(b"AUTH XOAUTH2\r\n", "334"), (b"dXNlcg==\r\n", "235")],
                 [(b"AUTH LOGIN\r\n", "334"), (b"eA==\r\n", "334"), (b"eQ==\r\n", "235")]):
        with Sink("--auth") as sink:
            peer, reader = sink.connect()
            converse(peer, reader, [(None, "220"), (b"EHLO p\r\n", "250"), (b"MAIL FROM:<a@x.org>\r\n", "530"), *said,
                                    (b"AUTH PLAIN AA==\r\n", "503"),
                                    (ENVELOPE + b"BDAT 2 LAST\r\n\r\n", "250 250 250"), (b"QUIT\r\n", "221")])
            peer.close()
        assert sink.result["messages"] == 1


def test_half_closed():
    """A peer that sends all and shuts its side still gets every answer."""
    with Sink() as sink:
        peer, reader = sink.connect()
        peer.sendall(b"EHLO p\r\n" + ENVELOPE + b"BDAT 2 LAST\r\n\r\n")
        peer.shutdown(socket.SHUT_WR)
        answers = reader.read()
        peer.close()
    assert answers.count(b"\r\n250 ") + answers.count(b"250 2.1.0") >= 3 and answers.endswith(b"taken\r\n"), answers


def test_garbage():
    """Noise of any kind neither stops the sink nor costs it its other connections."""
    chance = random.Random(5)
    with Sink() as sink:
        for _ in range(60):
            peer, reader = sink.connect()
            noise = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 9000)))
            if chance.random() < 0.5:
                noise = b"EHLO p\r\n" + ENVELOPE + chance.choice((b"DATA\r\n", b"BDAT 70\r\n")) + noise
            try:
                peer.sendall(noise)
            except OSError:
                pass
            peer.close()
        with Sink(*server_tls("implicit")) as secure:
            for _ in range(10):
                peer, reader = secure.connect()
                peer.sendall(bytes(chance.randrange(256) for _ in range(600)))
                peer.close()
            assert source(secure.address, "--messages", "20", "--tls")["accepted"] == 20
        assert source(sink.address, "--messages", "20")["accepted"] == 20
    assert sink.status == 0 and secure.status == 0 and sink.result["connections"] == 61


# ---- the floor ----------------------------------------------------------------------------------------------------

def run_floor(size, *mode, hops=1):
    """Source and sink with bench/floor between them, which is no relay but must carry the source's messages."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = "127.0.0.1:%d" % probe.getsockname()[1]
    with Sink("--expect", "1-300", "--received", path("received")) as sink:
        floor = subprocess.Popen([FLOOR, address, sink.address, path("floor"), str(hops)],
                                 stdout=subprocess.PIPE)
        try:
            assert json.loads(floor.stdout.readline())["event"] == "ready"
            result = source(address, "--messages", "300", "--connections", "7", "--size", size, "--mode", *mode)
            assert result["fallbacks"] == 0, result
            # What was answered is on disk, on its way to the sink, or there.
            began = time.monotonic()
            while len(lines("received")) < 300 and time.monotonic() - began < TIMEOUT:
                time.sleep(0.02)
        finally:
            floor.terminate()
            said = floor.stdout.read()
            floor.stdout.close()
            status = floor.wait(TIMEOUT)
    assert status == 0 and json.loads(said)["messages"] == 300, (status, said)
    check_all(sink, result, 300)
    assert sink.result["connections"] == hops, sink.result


def test_floor():
    for mode in (("lockstep",), ("grouped",), ("pipelined",), ("pipelined", "--blind")):
        run_floor("4KiB", *mode)
    run_floor("64KiB", "grouped")
    run_floor("4KiB", "grouped", hops=280)


def micro(*options):
    command = [os.path.join(ROOT, "bench", "micro"), "--build", BUILD, "--rounds", "1", "--divide", "50",
               "--no-instructions", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)


def test_micro():
    reference = path("micro.reference")
    with open(os.path.join(ROOT, "bench", "micro.reference")) as f:
        names = [line.split()[0] for line in f if not line.startswith("#")]
    with open(reference, "w") as f:
        f.write("wheel.turn 1000000.0\nwheel.unheard-of 5.0\n")
    ended = micro()
    assert ended.returncode == 0, ended
    rows = {line.split()[0]: line.split() for line in ended.stdout.splitlines()[1:] if line.strip()}
    missing = [name for name in names if name not in rows or float(rows[name][1]) <= 0]
    assert len(names) > 30 and not missing, (missing, ended.stdout)
    ended = micro("--reference", reference)
    assert ended.returncode == 0 and re.search(r"^wheel.unheard-of .* gone$", ended.stdout, re.M), ended
    assert re.search(r"^wheel.turn .* 1000000.0", ended.stdout, re.M), ended
    assert micro("--build", "/nonexistent").returncode == 1
    assert micro("nothing").returncode == 2


def test_crowd():
    """All of them are there, whatever the machine's load makes of the figures."""
    report = path("crowd.json")
    ended = subprocess.run([os.path.join(ROOT, "bench", "crowd"), "--build", BUILD, "--idle", "50", "--tls", "9",
                            "--slow", "30", "--seconds", "0.5", "--json", report], capture_output=True, text=True,
                           timeout=TIMEOUT)
    assert ended.returncode in (0, 1) and "Traceback" not in ended.stderr, ended
    with open(report) as f:
        rounds = {each["part"]: each for each in json.load(f)["rounds"]}
    assert {name: each["there"] for name, each in rounds.items()} == {
        "quiet": 0, "idle": 50, "idle-tls": 9, "slow": 30}, rounds
    assert all(each["messages"] > 0 for each in rounds.values()), rounds


def main():
    global scratch, VERIFY
    wanted = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="bench-tools-") as scratch:
        VERIFY = ("--ca", path("ca.pem"), "--server-name", "server.example.org")
        make_certificates()
        for name, test in list(globals().items()):
            if not name.startswith("test_") or (wanted and name not in wanted):
                continue
            begin = time.monotonic()
            try:
                test()
                print("ok %s (%.1f s)" % (name, time.monotonic() - begin), flush=True)
            except Exception as error:  # one failure must not hide the others
                failed += 1
                kind = "" if isinstance(error, AssertionError) else type(error).__name__ + ": "
                where = error.__traceback__
                while where.tb_next and where.tb_next.tb_frame.f_code.co_filename == __file__:
                    where = where.tb_next
                print("FAILED %s: line %d: %s%s" % (name, where.tb_lineno, kind, error), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
