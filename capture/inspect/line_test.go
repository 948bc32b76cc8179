package inspect

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// script is turns as one string: the originator begins, and a zero byte hands over.
func script(turns ...turn) string {
	var b strings.Builder
	side := 0
	for _, t := range turns {
		if t.from != side {
			b.WriteByte(0)
			side = t.from
		}
		b.WriteString(strings.ReplaceAll(t.data, "\x00", "\x01"))
	}
	return b.String()
}

func unscript(text []byte) []turn {
	var turns []turn
	for i, part := range bytes.Split(text, []byte{0}) {
		if len(part) > 0 {
			turns = append(turns, turn{i & 1, string(part)})
		}
	}
	return turns
}

// FuzzText: text protocols tell the same facts and announce the same ports however the streams are cut into segments.
func FuzzText(f *testing.F) {
	passive := ftp(21, orig("PASV\r\n"), resp("227 (10,0,0,1,82,9)\r\n"), orig("PORT 192,0,2,9,156,67\r\nEPRT |1|192.0.2.9|7|\r\n"), resp("229 (|||6446|)\r\n"), orig("AUTH TLS\r\n"), resp("234 ok\r\n"), inside[0])
	var ftpTurns []turn
	for _, s := range passive {
		ftpTurns = append(ftpTurns, turn{s.from, string(s.data)})
	}
	for _, seed := range []string{
		script(ftpTurns...), script(sipTurns()...), script(sshTurns("aes128-ctr", "aes128-ctr")...),
		script(resp("220 a\r\n"), orig("EHLO a\r\nSTARTTLS\r\n"), resp("250 a\r\n220 b\r\n"), inside[0], inside[1]),
		script(resp("* OK IMAP4\r\n"), orig("a STARTTLS\r\n"), resp("a OK\r\n"), inside[0]),
		script(resp("+OK POP3\r\n"), orig("CAPA\r\nSTLS\r\n"), resp("+OK\r\n.\r\n+OK\r\n"), inside[0]),
		script(orig("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 407 x\r\n\r\nbody"), orig("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 200 x\r\n\r\n"), inside[0]),
		script(orig("GET /a HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\n\r\n"), resp("HTTP/1.1 101 x\r\n\r\n")),
		script(orig("POST /wsman HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /wsman HTTP/1.1\r\nContent-Type: multipart/encrypted\r\nContent-Length: 3\r\n\r\nabc")),
		script(orig(http2Preface + frame(1, 4, 1, headers(":authority", "a.example")))),
		script(orig("<34>1 2003-10-11T22:14:15.003Z host\n")), script(orig("40 <34>Oct 11 22:14:15 host su: text and more\n")),
	} {
		for _, port := range []uint16{21, 9} {
			f.Add([]byte(seed), port, uint16(3), true)
			f.Add([]byte(seed), port, uint16(3), false)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, port, cut uint16, handshake bool) {
		if len(text) > maxHead/2 {
			return
		}
		turns := unscript(text)
		run(t, overUDP(port, turns...)...)
		segments := overTCP(port, turns...)
		if !handshake {
			segments = midstream(segments)
		}
		words := func(facts []flow.Fact) []string { // without the share of printable bytes, which is an estimate
			return words(slices.DeleteFunc(facts, func(f flow.Fact) bool { return f.Kind == flow.FactPrintable }))
		}
		facts, _, list := run(t, segments...)
		want, announced := words(facts), told(list)
		for how, other := range map[string][]segment{"cut": cutAt(segments, int(cut)), "in pieces": pieces(segments, 1+int(cut%64))} {
			facts, _, list := run(t, other...)
			if got := words(facts); !slices.Equal(got, want) {
				t.Fatalf("%s: facts %q, whole: %q", how, got, want)
			}
			if got := told(list); !slices.Equal(got, announced) {
				t.Fatalf("%s: announced %q, whole: %q", how, got, announced)
			}
		}
	})
}
