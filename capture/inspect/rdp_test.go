package inspect

import (
	"encoding/binary"
	"testing"
)

func tpkt(s string) string {
	return "\x03\x00" + string(binary.BigEndian.AppendUint16(nil, uint16(4+len(s)))) + s
}

func x224(code byte, variable string) string {
	return tpkt(string([]byte{byte(6 + len(variable)), code}) + "\x00\x00\x12\x34\x00" + variable)
}

func TestRDP(t *testing.T) {
	ask := x224(rdpRequest, "Cookie: mstshash=admin\r\n\x01\x00\x08\x00\x0b\x00\x00\x00")
	hello := string(testRecords(1000, testClientHello("rdp.example", 0)[5:]))
	inTLS := []string{"protocol rdp", "protocol tls", "offered TLS 1.2", "name sni rdp.example"}
	for _, request := range []string{ask, x224(rdpRequest, "\x01\x00\x08\x00\x01\x00\x00\x00"), x224(rdpRequest, "Cookie: msts=1.2.3\r\n")} {
		everyWay(t, overTCP(9000, orig(request), resp(x224(rdpConfirm, "\x02\x1f\x08\x00\x02\x00\x00\x00")), orig(hello)), inTLS...)
	}
	segments := overTCP(3389, orig(ask), resp(x224(rdpConfirm, "\x02\x1f\x08\x00\x02\x00\x00\x00")), orig(hello))
	segments[3], segments[4] = segments[4], segments[3]
	expect(t, segments, inTLS...)

	connect := tpkt("\x02\xf0\x80\x7f\x65" + random(300))
	answered := func(method, level byte) string {
		blocks := "\x01\x0c\x08\x00" + zeros(4) + "\x02\x0c\x0c\x00" + string([]byte{method, 0, 0, 0, level, 0, 0, 0})
		return tpkt("\x02\xf0\x80\x7f\x66" + random(60) + "McDn" + string([]byte{byte(len(blocks))}) + blocks)
	}
	own := []string{"protocol rdp", "note standard RDP security"}
	everyWay(t, overTCP(3389, orig(x224(rdpRequest, "")), resp(x224(rdpConfirm, "")), orig(connect), resp(answered(2, 3))), append(own, "encrypted standard RDP encryption")...)
	everyWay(t, overTCP(3389, orig(ask), resp(x224(rdpConfirm, "\x02\x00\x08\x00"+zeros(4))), orig(connect), resp(answered(0, 0))), own...)
	everyWay(t, overTCP(3389, orig(ask), resp(x224(rdpConfirm, "\x02\x00\x08\x00"+zeros(4))), orig(connect), resp(answered(2, 1))), own...)
	everyWay(t, overTCP(3389, orig(ask), resp(x224(rdpConfirm, "\x03\x00\x08\x00\x05\x00\x00\x00"))), "protocol rdp")
	expect(t, overTCP(102, orig(x224(rdpRequest, "\xc0\x01\x0a\xc1\x02\x01\x00\xc2\x02\x01\x02")), resp("x")), "protocol unknown", "printable 13")
}
