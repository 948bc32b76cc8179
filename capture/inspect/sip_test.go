package inspect

import (
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func sipInvite(body string) string {
	return "INVITE sip:bob@example SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9\r\nCall-ID: 1\r\nContent-Type: application/sdp\r\nl: " + itoa(len(body)) + "\r\n\r\n" + body
}

const (
	sdpOffer  = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=sendrecv\r\nm=video 0 RTP/AVP 31\r\nm=image 6000 udptl t38\r\n"
	sdpAnswer = "v=0\r\nm=audio 5004 RTP/SAVP 0\r\nc=IN IP6 2001:db8::1\r\na=rtcp:5010 IN IP4 198.51.100.1\r\nm=audio 5008 RTP/AVP 0\r\nc=IN IP4 203.0.113.7/127\r\na=rtcp-mux\r\nm=message 2855 TCP/MSRP *\r\nc=IN IP4 192.0.2.7\r\n"
)

var sipMedia = []string{
	"media 192.0.2.7 192.0.2.9:49170", "media control 192.0.2.7 192.0.2.9:49171", "media 192.0.2.7 192.0.2.9:6000",
	"media 192.0.2.9 [2001:db8::1]:5004", "media control 192.0.2.9 198.51.100.1:5010", "media 192.0.2.9 203.0.113.7:5008", "media 192.0.2.9 192.0.2.7:2855",
}

func sipTurns() []turn {
	parts := "--x\r\nContent-Type: application/sdp\r\n\r\n" + sdpAnswer + "--x--\r\n"
	return []turn{orig(sipInvite(sdpOffer)), resp("SIP/2.0 100 Trying\r\nContent-Length: 0\r\n\r\n"),
		resp("SIP/2.0 200 OK\r\nContent-Type: multipart/mixed;boundary=x\r\nContent-Length: " + itoa(len(parts)) + "\r\n\r\n" + parts),
	}
}

func TestSIP(t *testing.T) {
	turns := append(sipTurns(), orig("\r\n\r\nBYE sip:bob@example SIP/2.0\r\nContent-Length: 0\r\n\r\n"))
	announces(t, overTCP(5070, turns...), append([]string{"seen"}, sipMedia...)...)
	everyWay(t, overTCP(5070, turns...), "protocol sip", "clear SIP in clear")
	segments := overUDP(5070, sipTurns()...)
	expect(t, segments, "protocol sip", "clear SIP in clear")
	_, _, list := run(t, segments...)
	if got := strings.Join(told(list), "\n"); got != strings.Join(sipMedia, "\n") {
		t.Errorf("over UDP announced\n%s", got)
	}
	if last := list[len(list)-1]; last.Proto != flow.TCP || list[0].Proto != flow.UDP || last.By != flow.AnnouncedBySIP {
		t.Errorf("last: %+v", last)
	}
}

func TestSIPBounds(t *testing.T) {
	announces(t, overTCP(5060, orig(sipInvite(sdpOffer), "no SIP any more\r\n")), append([]string{"seen"}, append(sipMedia[:3:3], "lost")...)...)
	announces(t, overTCP(5060, orig("INFO sip:a SIP/2.0\r\nContent-Length: 999999\r\n\r\n")), "seen", "lost")
	announces(t, overTCP(5060, orig("INFO sip:a SIP/2.0\r\n"+strings.Repeat("Via: x\r\n", 2000))), "seen", "lost")
	many := "v=0\r\nc=IN IP4 192.0.2.9\r\n" + strings.Repeat("m=audio 4000 udp x\r\n", 20)
	if _, _, list := run(t, overUDP(5060, orig(sipInvite(many)))...); len(list) != maxMedia {
		t.Errorf("%d media announced", len(list))
	}
	for _, text := range []string{"INVITE bob SIP/2.0\r\n\r\n", "INVITE sip:bob SIP/3.0\r\n\r\n", "SIP/2.0 OK\r\n\r\n", "\r\n\r\n", "INVITE sip:bob"} {
		if facts, _, _ := run(t, overUDP(5060, orig(text), resp("x"))...); facts[0].Value != "unknown" {
			t.Errorf("%q is %v", text, words(facts))
		}
	}
}
