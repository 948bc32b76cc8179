package inspect

import (
	"encoding/binary"
	"strings"
	"testing"
)

// sshPacket is a binary packet without encryption.
func sshPacket(payload string) string {
	padding := 8 - (5+len(payload))%8 + 4
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	return string(append(b, byte(padding))) + payload + strings.Repeat("\xaa", padding)
}

// kexInit offers algorithms: for keys, and ciphers in either direction.
func kexInit(kex, ciphers string) string {
	b := []byte("\x14" + strings.Repeat("c", sshCookieSize))
	for _, list := range []string{kex, "ssh-ed25519", ciphers, ciphers, "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(list))), list...)
	}
	return sshPacket(string(b) + "\x00\x00\x00\x00\x00")
}

var newKeys = sshPacket("\x15")

func sshTurns(clientCiphers, serverCiphers string) []turn {
	return []turn{
		resp("Welcome to the machine\r\nSSH-2.0-Server_1.0 Linux\r\n"), orig("SSH-2.0-Client_9.6\r\n"),
		orig(kexInit("curve25519-sha256,diffie-hellman-group1-sha1", clientCiphers)), resp(kexInit("curve25519-sha256", serverCiphers)),
		orig(sshPacket("\x1e" + strings.Repeat("e", 32))), resp(sshPacket("\x1f"+strings.Repeat("f", 200)), newKeys), orig(newKeys), orig("\x93\x11\x80 hidden"),
	}
}

func TestSSH(t *testing.T) {
	everyWay(t, overTCP(2222, sshTurns("chacha20-poly1305@openssh.com,aes128-ctr", "aes128-ctr")...), "protocol ssh", "encrypted SSH 2.0")
	everyWay(t, overTCP(22, sshTurns("none,aes128-ctr", "aes128-ctr,none")...), "protocol ssh", "clear SSH without encryption")
	expect(t, overTCP(22, sshTurns("aes128-ctr,none", "none,aes128-ctr")...), "protocol ssh", "encrypted SSH 2.0")
	expect(t, overTCP(22, sshTurns("3des-cbc", "3des-cbc")...), "protocol ssh", "note weak SSH cipher 3des-cbc", "encrypted SSH 2.0")
}

func TestSSHNotProven(t *testing.T) {
	turns := sshTurns("aes128-ctr", "aes128-ctr")
	expect(t, overTCP(22, turns[:5]...), "protocol ssh")
	expect(t, midstream(overTCP(22, turns...)), "protocol ssh", "encrypted SSH 2.0")
	expect(t, midstream(overTCP(22, sshTurns("none,aes128-ctr", "aes128-ctr,none")...)), "protocol ssh")
	var oneSide []turn
	for _, turn := range turns {
		if turn.from == 0 {
			oneSide = append(oneSide, turn)
		}
	}
	expect(t, overTCP(22, oneSide...), "protocol ssh", "encrypted SSH 2.0")
	segments := overTCP(22, turns...)
	expect(t, append(segments[:6:6], segments[7:]...), "protocol ssh", "encrypted SSH 2.0") // the server's offer was lost: all of the client's encrypt
	segments = overTCP(22, sshTurns("none,aes128-ctr", "aes128-ctr,none")...)
	expect(t, append(segments[:6:6], segments[7:]...), "protocol ssh")
}

func TestSSHOld(t *testing.T) {
	everyWay(t, overTCP(22, resp("SSH-1.5-old\n"), orig("SSH-1.5-older\n"), resp("\x00\x00\x01\x0bsomething")), "protocol ssh", "note SSH version 1")
	everyWay(t, overTCP(22, append([]turn{resp("SSH-1.99-both\n")}, sshTurns("aes128-ctr", "aes128-ctr")[1:]...)...),
		"protocol ssh", "note SSH 1.99: version 1 is accepted beside version 2", "encrypted SSH 2.0")
	expect(t, overTCP(22, resp("SSH-3.0-x\r\n"), orig("SSH-3.0-x\r\n")), "protocol unknown", "printable 100")
}
