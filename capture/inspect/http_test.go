package inspect

import (
	"strings"
	"testing"
)

func TestHTTP(t *testing.T) {
	answer := resp("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
	long := strings.Repeat("x", maxLine+100)
	for name, c := range map[string]struct {
		turns []turn
		want  []string
	}{
		"host":        {[]turn{orig("GET /a?b HTTP/1.1\r\nhost: WWW.Example.COM.:8080\r\n\r\n"), answer}, []string{"clear HTTP request in clear", "name http www.example.com"}},
		"address":     {[]turn{orig("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"), answer}, []string{"clear HTTP request in clear"}},
		"absolute":    {[]turn{orig("GET http://user@origin.example:81/x HTTP/1.0\r\nHost: other.example\r\n\r\n"), answer}, []string{"clear HTTP request in clear", "name http origin.example"}},
		"ConfigMgr":   {[]turn{orig("CCM_POST /ccm_system/request HTTP/1.1\r\nHost: mp.example\r\n\r\n"), answer}, []string{"clear HTTP request in clear", "name http mp.example"}},
		"BITS":        {[]turn{orig("BITS_POST /SMS_DP HTTP/1.1\nHost: dp.example\n\n"), answer}, []string{"clear HTTP request in clear", "name http dp.example"}},
		"long target": {[]turn{orig("GET /" + long + " HTTP/1.1\r\nHost: a.example\r\n\r\n"), answer}, []string{"clear HTTP request in clear", "name http a.example"}},
		"long field":  {[]turn{orig("GET / HTTP/1.1\r\nCookie: " + long + "\r\nHost: a.example\r\n\r\n"), answer}, []string{"clear HTTP request in clear", "name http a.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			everyWay(t, overTCP(8530, c.turns...), append([]string{"protocol http"}, c.want...)...)
		})
	}
	expect(t, overTCP(80, orig("GET / HTTP/1.1\r\n"+strings.Repeat("Cookie: a\r\n", 2000)+"Host: a.example\r\n\r\n")), "protocol http", "clear HTTP request in clear")
	expect(t, overTCP(80, answer), "protocol http", "clear HTTP response in clear")
	expect(t, midstream(overTCP(80, answer, orig("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"))), "protocol http", "clear HTTP response in clear", "name http a.example")
}

func TestHTTPRefusesOthers(t *testing.T) {
	for _, text := range []string{"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n", "GET / \r\n\r\n", "get / HTTP/1.1\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.7\r\n\r\n", "HTTP/1.1 2000 OK\r\n"} {
		facts, _, _ := run(t, overTCP(80, orig(text))...)
		if len(facts) == 0 || facts[0].Value != "unknown" {
			t.Errorf("%q is %v", text, words(facts))
		}
	}
}

func TestHTTPConnect(t *testing.T) {
	connect := orig("CONNECT files.example:443 HTTP/1.1\r\nHost: files.example:443\r\n\r\n")
	inside := []turn{resp("HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"), orig("SSH-2.0-c\r\n"), resp("SSH-2.0-s\r\n")}
	everyWay(t, overTCP(3128, append([]turn{connect}, inside...)...),
		"protocol http", "name http files.example", "note CONNECT to files.example:443 through a proxy", "protocol ssh")
	refused := resp("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<p>who?</p>\r\n")
	again := orig("CONNECT files.example:443 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n")
	everyWay(t, overTCP(3128, append([]turn{connect, refused, again}, inside...)...),
		"protocol http", "name http files.example", "note CONNECT to files.example:443 through a proxy", "name http files.example",
		"note CONNECT to files.example:443 through a proxy", "note proxy password in clear", "protocol ssh")
	expect(t, overTCP(3128, orig("CONNECT [2001:db8::2]:22 HTTP/1.1\r\n\r\n")), "protocol http", "note CONNECT to 2001:db8::2:22 through a proxy")
	expect(t, overTCP(3128, orig("CONNECT \x1b[31m:x HTTP/1.1\r\n\r\n")), "protocol unknown", "printable 96")
	expect(t, overTCP(3128, orig("CONNECT a<b>:443 HTTP/1.1\r\n\r\n")), "protocol http", "note CONNECT through a proxy")
}

func TestHTTPUpgrade(t *testing.T) {
	ask := func(to string) turn {
		return orig("GET /chat HTTP/1.1\r\nHost: chat.example\r\nConnection: Upgrade\r\nUpgrade: " + to + "\r\n\r\n")
	}
	answer := resp("HTTP/1.1 101 Switching Protocols\r\nUpgrade: whatever\r\n\r\n\x81\x02hi")
	head := []string{"protocol http", "clear HTTP request in clear", "name http chat.example"}
	everyWay(t, overTCP(80, ask("websocket"), answer), append(head, "protocol websocket")...)
	everyWay(t, overTCP(80, ask("h2c"), answer), append(head, "protocol http2")...)
	everyWay(t, overTCP(80, ask("websocket"), resp("HTTP/1.1 200 OK\r\n\r\n")), head...)
}

func TestHTTPWinRM(t *testing.T) {
	post := func(kind, content string) turn {
		return orig("POST /wsman?PSVersion=5.1 HTTP/1.1\r\nHost: dc1.example:5985\r\nContent-Type: " + kind + "\r\nContent-Length: " + itoa(len(content)) + "\r\n\r\n" + content)
	}
	empty, asked := post("application/soap+xml;charset=UTF-8", ""), resp("HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n")
	sealed := post(`multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"`, "--Encrypted Boundary\r\nxxxx")
	everyWay(t, overTCP(5985, empty, asked, empty, asked, sealed), "protocol http", "name http dc1.example",
		"note WinRM; message encryption by the authentication", "encrypted WinRM message encryption")
	everyWay(t, overTCP(5985, empty, asked, post("application/soap+xml;charset=UTF-8", "<s:Envelope/>")), "protocol http", "name http dc1.example", "clear WinRM message in clear")
	expect(t, overTCP(5985, empty, asked), "protocol http", "name http dc1.example")
}

func TestSSDP(t *testing.T) {
	search := orig("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n\r\n")
	expect(t, overUDP(1900, search), "protocol ssdp", "clear SSDP in clear")
	expect(t, overUDP(1901, resp("HTTP/1.1 200 OK\r\n\r\n")))
}
