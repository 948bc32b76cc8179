package inspect

import (
	"bytes"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"

	"pcapaudit/capture/flow"
)

func itoa(n int) string { return strconv.Itoa(n) }

// frame is a frame of HTTP/2.
func frame(kind, flags, stream byte, payload string) string {
	n := len(payload)
	return string([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, 0, 0, 0, stream}) + payload
}

// headers is a header block of names and values.
func headers(list ...string) string {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(list); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]})
	}
	return b.String()
}

func TestHTTP2(t *testing.T) {
	request := http2Preface + frame(4, 0, 0, "\x00\x03\x00\x00\x00\x64") + frame(8, 0, 0, "\x00\x00\xff\xff")
	plainHeaders := headers(":method", "POST", ":scheme", "http", ":path", "/x", ":authority", "grpc.example:50051")
	answer := resp(frame(4, 0, 0, ""))
	want := []string{"protocol http2", "clear HTTP/2 request in clear", "name http grpc.example"}
	everyWay(t, overTCP(50051, orig(request, frame(1, 4, 1, plainHeaders)), answer), want...)
	padded := "\x03" + "\x00\x00\x00\x00\x10" + plainHeaders + "\x00\x00\x00"
	everyWay(t, overTCP(50051, orig(request, frame(1, 4|http2Padded|http2Priority, 1, padded)), answer), want...)
	everyWay(t, overTCP(50051, orig(request, frame(1, 0, 1, plainHeaders), frame(9, 4, 1, headers("x", strings.Repeat("y", 900)))), answer), want...)
	everyWay(t, overTCP(50051, orig(request, frame(1, 4, 1, headers(":method", "GET", "host", "h.example")))), "protocol http2", "clear HTTP/2 request in clear", "name http h.example")
	expect(t, overTCP(50051, orig(request, frame(1, 4, 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))), "protocol http2", "clear HTTP/2 request in clear")
	expect(t, overTCP(50051, orig(request, "\xff\xff\xff\x01\x04\x00\x00\x00\x01")), "protocol http2")
	if facts, _, _ := run(t, overTCP(50051, orig(request))...); len(facts) != 1 || facts[0].Kind != flow.FactProtocol {
		t.Errorf("without a request: %v", words(facts))
	}
}
