package inspect

import (
	"strings"
	"testing"
)

// inside is another protocol behind an upgrade, on both sides.
var inside = []turn{orig("SSH-2.0-c\r\n"), resp("SSH-2.0-s\r\n")}

func TestSMTP(t *testing.T) {
	greeting, hello, features := resp("220-mail.example ESMTP\r\n220 ready\r\n"), orig("EHLO host.example\r\n"), resp("250-mail.example\r\n250-STARTTLS\r\n250 HELP\r\n")
	for name, c := range map[string]struct {
		turns []turn
		want  []string
	}{
		"mail":      {[]turn{greeting, hello, features, orig("mail FROM:<a@example>\r\n"), resp("250 ok\r\n")}, []string{"protocol smtp", "clear SMTP mail in clear"}},
		"login":     {[]turn{greeting, hello, features, orig("AUTH PLAIN AGEAYg==\r\n"), resp("235 ok\r\n")}, []string{"protocol smtp", "clear SMTP login in clear"}},
		"upgrade":   {append([]turn{greeting, hello, features, orig("STARTTLS\r\n"), resp("220 go ahead\r\n")}, inside...), []string{"protocol smtp", "protocol ssh"}},
		"refused":   {[]turn{greeting, hello, features, orig("STARTTLS\r\n"), resp("454 no\r\n"), orig("MAIL FROM:<>\r\n")}, []string{"protocol smtp", "clear SMTP mail in clear"}},
		"pipelined": {append([]turn{greeting, orig("EHLO a\r\nSTARTTLS\r\n"), resp("250 ok\r\n220 go\r\n")}, inside...), []string{"protocol smtp", "protocol ssh"}},
		"hurry":     {[]turn{greeting, orig("EHLO a\r\nSTARTTLS\r\nMAIL FROM:<a@b>\r\n"), resp("250 ok\r\n502 no\r\n")}, []string{"protocol smtp", "clear SMTP mail in clear"}},
		"quit":      {[]turn{greeting, hello, features, orig("QUIT\r\n"), resp("221 bye\r\n")}, []string{"protocol smtp"}},
	} {
		t.Run(name, func(t *testing.T) { everyWay(t, overTCP(2525, c.turns...), c.want...) })
	}
	expect(t, midstream(overTCP(25, hello, features, orig("STARTTLS\r\n"), resp("220 go ahead\r\n"), inside[0])), "protocol smtp", "protocol ssh")
	expect(t, midstream(overTCP(25, greeting, hello, features, orig("STARTTLS\r\n"), resp("220 go ahead\r\n"), inside[0])), "protocol smtp", "protocol ssh")
	expect(t, overTCP(25, greeting), "protocol unknown", "printable 100")
	expect(t, overTCP(25, greeting, features, resp("250 ok\r\n354 go on\r\n")), "protocol smtp", "clear SMTP mail in clear")
}

func TestIMAP(t *testing.T) {
	greeting := resp("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")
	everyWay(t, overTCP(1143, greeting, orig("a1 login u p\r\n"), resp("a1 OK\r\n")), "protocol imap", "clear IMAP login in clear")
	everyWay(t, overTCP(1143, append([]turn{resp("* OK hello\r\n"), orig("1 CAPABILITY\r\n"), resp("* CAPABILITY IMAP4rev1\r\n1 OK\r\n"), orig("2 STARTTLS\r\n"), resp("* OK note\r\n2 OK go\r\n")}, inside...)...),
		"protocol imap", "protocol ssh")
	everyWay(t, overTCP(1143, greeting, orig("2 STARTTLS\r\n"), resp("2 NO\r\n"), orig("3 SELECT inbox\r\n")), "protocol imap", "clear IMAP mail in clear")
	expect(t, overTCP(143, orig("x LOGIN a b\r\n")), "protocol imap", "clear IMAP login in clear")
	expect(t, overTCP(144, orig("x LOGIN a b\r\n")), "protocol unknown", "printable 100")
}

func TestPOP3(t *testing.T) {
	greeting := resp("+OK POP3 ready\r\n")
	everyWay(t, overTCP(1110, greeting, orig("USER u\r\n"), resp("+OK\r\n")), "protocol pop3", "clear POP3 login in clear")
	everyWay(t, overTCP(1110, append([]turn{resp("+OK\r\n"), orig("CAPA\r\n"), resp("+OK\r\nSTLS\r\n.\r\n"), orig("STLS\r\n"), resp("+OK go\r\n")}, inside...)...),
		"protocol pop3", "protocol ssh")
	everyWay(t, overTCP(1110, greeting, orig("AUTH\r\n"), resp("-ERR\r\n"), orig("STLS\r\n"), resp("-ERR\r\n"), orig("APOP u x\r\n")), "protocol pop3", "clear POP3 login in clear")
}

// TestUpgradeToTLS: what begins behind the upgrade is recognised, and its name is a claim.
func TestUpgradeToTLS(t *testing.T) {
	hello, answer := orig(string(testClientHello("a.example", 0))), resp(string(testRecords(1<<14, testServerHello(0x0303, 0xc02f))), testChange)
	for name, turns := range map[string][]turn{
		"smtp": {resp("220 a\r\n"), orig("EHLO a\r\n"), resp("250 STARTTLS\r\n"), orig("STARTTLS\r\n"), resp("220 go\r\n")},
		"imap": {resp("* OK IMAP4rev1\r\n"), orig("a STARTTLS\r\n"), resp("a OK\r\n")},
		"pop3": {resp("+OK POP3\r\n"), orig("STLS\r\n"), resp("+OK\r\n")},
		"ftp":  {resp("220 a\r\n"), orig("AUTH TLS\r\n"), resp("234 go\r\n")},
		"http": {orig("CONNECT 192.0.2.1:443 HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 200 ok\r\n\r\n")},
	} {
		facts, _, _ := run(t, overTCP(4000, append(turns, hello, answer)...)...)
		got := strings.Join(words(facts), ", ")
		if !strings.HasPrefix(got, "protocol "+name) || strings.Contains(got, "clear") ||
			!strings.Contains(got, "protocol tls, offered TLS 1.2, name sni a.example") || !strings.Contains(got, "encrypted TLS 1.2") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", 3*maxLine/2)
	everyWay(t, overTCP(2525, resp("220 hi\r\n"), orig("EHLO a\r\n"), resp("250-"+long+"\r\n250 ok\r\n"), orig("VRFY "+long+"\r\nMAIL FROM:<a>\r\n")), "protocol smtp", "clear SMTP mail in clear")
}
