package inspect

import (
	"encoding/binary"
	"slices"
	"testing"
)

// session wraps messages in session packets.
func session(messages ...string) string {
	var s string
	for _, m := range messages {
		s += string(binary.BigEndian.AppendUint32(nil, uint32(len(m)))) + m
	}
	return s
}

// smb2Text is a message of SMB 2.
func smb2Text(command uint16, response bool, tree uint32, body string) string {
	h := make([]byte, smb2Header)
	copy(h, smbPlain2)
	h[4] = smb2Header
	binary.LittleEndian.PutUint16(h[12:], command)
	if response {
		h[16] = smb2Response
	}
	binary.LittleEndian.PutUint32(h[36:], tree)
	return string(h) + body
}

func smb2Ask(command uint16, tree uint32, body string) turn {
	return orig(session(smb2Text(command, false, tree, body)))
}

func smb2Tell(command uint16, tree uint32, body string) turn {
	return resp(session(smb2Text(command, true, tree, body)))
}

// smb2Chosen is the answer to a negotiation; cipher -1: without context.
func smb2Chosen(dialect uint16, signing byte, capabilities byte, cipher int) turn {
	body := make([]byte, 64)
	body[0], body[2], body[24] = 65, signing, capabilities
	binary.LittleEndian.PutUint16(body[4:], dialect)
	contexts := ""
	if dialect == 0x0311 {
		contexts = "\x01\x00\x06\x00" + zeros(4) + "\x01\x00\x00\x00\x01\x00" + zeros(2)
		body[6], body[60] = 1, 128
		if cipher >= 0 {
			body[6] = 2
			contexts += "\x02\x00\x04\x00" + zeros(4) + "\x01\x00" + string([]byte{byte(cipher), 0})
		}
	}
	return smb2Tell(smb2Negotiate, 0, string(body)+contexts)
}

// smb2Tree is the answer to a tree connect.
func smb2Tree(tree uint32, kind byte, encrypts bool) turn {
	flags := byte(0)
	if encrypts {
		flags = 0x80
	}
	return smb2Tell(smb2TreeConnect, tree, "\x10\x00"+string([]byte{kind, 0, 0, flags})+zeros(10))
}

var (
	smb2Hello  = smb2Ask(smb2Negotiate, 0, "\x24\x00"+zeros(34)+"\x10\x02\x11\x03")
	smb2Login  = []turn{smb2Ask(smb2SessionSetup, 0, random(200)), smb2Tell(smb2SessionSetup, 0, "\x09\x00\x00\x00"+random(20))}
	smb2Sealed = session(smbTransform + random(16) + zeros(16) + "\x99\x00\x00\x00\x00\x00\x01\x00" + zeros(8) + random(300))
	pipeCall   = "\x39\x00\x00\x00\x17\xc0\x11\x00" + random(100)
)

func TestSMB2(t *testing.T) {
	negotiated := func(chosen turn, more ...turn) []turn {
		return slices.Concat([]turn{smb2Hello, chosen}, smb2Login, more)
	}
	v311 := smb2Chosen(0x0311, 1, 0, 2)
	for _, c := range []struct {
		name  string
		turns []turn
		want  []string
	}{
		{"no encryption in 2.1", negotiated(smb2Chosen(0x0210, 3, 0, -1), smb2Ask(smb2TreeConnect, 0, random(40))), []string{"note SMB 2.1 chosen", "note SMB signing required", "clear SMB 2.1 tree connect in clear"}},
		{"3.0 without capability", negotiated(smb2Chosen(0x0300, 1, 0, -1), smb2Ask(smb2TreeConnect, 0, random(40))), []string{"protocol smb3", "note SMB 3.0 chosen", "note SMB signing not required", "clear SMB 3.0 tree connect in clear"}},
		{"3.1.1 without cipher", negotiated(smb2Chosen(0x0311, 1, 0, 0), smb2Ask(smb2TreeConnect, 0, random(40))), []string{"protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required", "clear SMB 3.1.1 tree connect in clear"}},
		{"share in clear", negotiated(v311, smb2Ask(smb2TreeConnect, 0, random(40)), smb2Tree(5, 1, false), smb2Ask(smb2Create, 5, random(80))), []string{"protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required", "clear SMB 3.1.1 file access in clear"}},
		{"encrypted share behind plain pipes", negotiated(v311, smb2Ask(smb2TreeConnect, 0, random(40)), smb2Tree(4, 2, false), smb2Ask(smb2Create, 4, random(80)), smb2Ask(smb2IOCtl, 4, pipeCall),
			smb2Ask(smb2TreeConnect, 0, random(40)), smb2Tree(5, 1, true), orig(smb2Sealed), resp(smb2Sealed)), []string{"protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required", "encrypted SMB 3.1.1 encryption"}},
		{"two shares, one encrypted", negotiated(v311, smb2Tree(5, 1, true), orig(smb2Sealed), smb2Tree(6, 1, false), smb2Ask(9, 6, random(3000))),
			[]string{"protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required", "encrypted SMB 3.1.1 encryption", "clear SMB 3.1.1 file access in clear"}},
		{"pipes only", negotiated(v311, smb2Tree(4, 2, false), smb2Ask(smb2IOCtl, 4, pipeCall), smb2Tell(smb2IOCtl, 4, pipeCall)), []string{"protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required", "clear SMB 3.1.1 named pipe or file access in clear"}},
		{"referrals only", negotiated(v311, smb2Tree(4, 2, false), smb2Ask(smb2IOCtl, 4, "\x39\x00\x00\x00\x94\x01\x06\x00"+random(90))), []string{"protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required"}},
		{"negotiation only", []turn{smb2Hello, v311}, []string{"protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			everyWay(t, overTCP(445, c.turns...), slices.Concat([]string{"protocol smb2"}, c.want)...)
		})
	}
	expect(t, midstream(overTCP(445, orig(smb2Sealed), resp(smb2Sealed))), "protocol smb3", "encrypted SMB encryption")

	for next := range byte(smb2Header + 1) { // a message that says the next one begins inside its own header is read alone
		message := []byte(smb2Text(smb2Create, false, 4, "name"))
		message[20] = next
		run(t, overTCP(445, negotiated(v311, orig(session(string(message))))...)...)
	}

	// what encrypts a share may be among lost bytes: a plain pipe does not tell then
	lost := overTCP(445, negotiated(v311, smb2Tree(4, 2, false), smb2Ask(smb2IOCtl, 4, pipeCall), orig(smb2Sealed), smb2Ask(smb2IOCtl, 4, pipeCall))...)
	expect(t, slices.Delete(lost, len(lost)-2, len(lost)-1), "protocol smb2", "protocol smb3", "note SMB 3.1.1 chosen", "note SMB signing not required")
}

func TestSMB1(t *testing.T) {
	message := func(command, flags byte, body string) string {
		return session(smbPlain1 + string([]byte{command}) + zeros(4) + string([]byte{flags}) + zeros(22) + body)
	}
	both := orig(message(smb1Negotiate, 0, "\x00\x1d\x00\x02NT LM 0.12\x00\x02SMB 2.???\x00"))
	chosen := resp(message(smb1Negotiate, 0x80, "\x11\x00\x00\x0f"+random(60)))
	clear := orig(message(0x75, 0, random(40)))
	everyWay(t, overTCP(445, both, smb2Chosen(0x02ff, 1, 0, -1), smb2Hello, smb2Chosen(0x0302, 1, 0x40, -1)), "protocol smb2", "protocol smb3", "note SMB 3.0.2 chosen", "note SMB signing not required")
	everyWay(t, overTCP(445, both, chosen, clear), "protocol smb2", "protocol smb1", "note SMB1 in use", "note SMB signing required", "clear SMB 1 request in clear")
	old := orig(message(smb1Negotiate, 0, "\x00\x0e\x00\x02NT LM 0.12\x00"))
	everyWay(t, overTCP(445, old, chosen, orig(message(smb1SessionSetup, 0, random(90)))), "protocol smb1", "note SMB1 in use", "note SMB signing required")
	expect(t, overTCP(445, old), "protocol smb1")
	everyWay(t, overTCP(139, orig("\x81\x00\x00\x44"+testNetbios("SERVER7", 0x20)+testNetbios("PC9", 0)), resp("\x82\x00\x00\x00"), old, chosen, orig("\x85\x00\x00\x00"), clear),
		"protocol netbios-ssn", "protocol smb1", "note SMB1 in use", "note SMB signing required", "clear SMB 1 request in clear")
}
