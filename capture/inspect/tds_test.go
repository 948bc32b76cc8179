package inspect

import (
	"crypto/tls"
	"encoding/binary"
	"slices"
	"testing"
)

// tdsText is a packet.
func tdsText(kind byte, body string) string {
	return string([]byte{kind, 1}) + string(binary.BigEndian.AppendUint16(nil, uint16(tdsHeader+len(body)))) + "\x00\x00\x01\x00" + body
}

func tdsHello(kind, encryption byte) string {
	return tdsText(kind, "\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x10\x00\x03\xe8\x00\x00"+string([]byte{encryption})+zeros(7))
}

var tdsLoginText = tdsText(tdsLogin, "\x60\x00\x00\x00\x04\x00\x00\x74"+random(88))

// tdsOverTLS wraps the handshake of a TLS session in packets; the rest stands by itself.
func tdsOverTLS(t *testing.T, encryption byte, version uint16) []turn {
	t.Helper()
	turns := []turn{orig(tdsHello(tdsPrelogin, encryption)), resp(tdsHello(tdsAnswer, encryption))}
	session := talkTLS(t, &tls.Config{ServerName: "sql.example", InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}, &tls.Config{Certificates: []tls.Certificate{testCert(t, 0)}})
	for _, x := range session {
		if x.data[0] == 0x17 || encryption > 1 && len(turns) > 5 {
			turns = append(turns, x)
			continue
		}
		for data := x.data; data != ""; {
			n := min(len(data), 900)
			turns = append(turns, turn{x.from, tdsText(tdsPrelogin, data[:n])})
			data = data[n:]
		}
	}
	return turns
}

func TestTDS(t *testing.T) {
	in12 := []string{"protocol tds", "protocol tls", "offered TLS 1.2", "name sni sql.example", "server-cert sent", "client-cert not requested", "encrypted TLS 1.2"}
	everyWay(t, overTCP(1433, tdsOverTLS(t, 1, tls.VersionTLS12)...), in12...)
	part := append(tdsOverTLS(t, 0, tls.VersionTLS12), orig(tdsText(tdsBatch, random(2000))))
	everyWay(t, overTCP(1433, part...), slices.Concat([]string{"protocol tds", "note TDS encrypts the login only"}, in12[1:len(in12)-1], []string{"clear SQL batch in clear"})...)
	without := []turn{orig(tdsHello(tdsPrelogin, 2)), resp(tdsHello(tdsAnswer, 2)), orig(tdsLoginText)}
	everyWay(t, overTCP(1433, without...), "protocol tds", "note TDS does not encrypt", "clear TDS login in clear")
	everyWay(t, overTCP(1433, orig(tdsLoginText)), "protocol tds", "clear TDS login in clear")
	everyWay(t, overTCP(1433, orig(tdsHello(tdsPrelogin, 0x81))), "protocol tds")
}
