package capture

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
)

// PseudonymKeySize is the bytes of a key.
const PseudonymKeySize = 32

// Pseudonyms replace addresses and names by others that only the holder of the key can lead back. The same key gives the same pseudonyms
// everywhere. Not safe for concurrent use.
//
// Addresses keep their structure: two that share a prefix have pseudonyms that share one of the same length (the construction of Crypto-PAn:
// Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002). Addresses that mean the same everywhere are their
// own pseudonyms: unspecified, loopback, limited broadcast and the groups of the local link. Multicast stays multicast and link-local
// link-local, below that prefix their bits are replaced. So that nothing else becomes one of these, an address keeps its leading bits as far as it
// shares them with such a range, and one more: 10.0.0.0/8 becomes some /8 from 8 to 15. Traffic itself is no secret: who knows
// when a host sent how much recognises it whatever its name is.
type Pseudonyms struct {
	v4, v6, hardware *tree
	names            []byte // key
	digests, sealing []byte // keys
	fingerprint      string
	known            map[netip.Addr]netip.Addr
	knownHardware    map[[hardwareSize]byte][hardwareSize]byte
}

// maxKnownPseudonyms bounds the addresses that are remembered, because the computation takes microseconds.
const maxKnownPseudonyms = 1 << 16

// NewPseudonyms takes a key, which has to be random.
func NewPseudonyms(key [PseudonymKeySize]byte) *Pseudonyms {
	return &Pseudonyms{
		v4:            newTree(subkey(key[:], "ipv4"), keptIPv4),
		v6:            newTree(subkey(key[:], "ipv6"), keptIPv6),
		hardware:      newTree(subkey(key[:], "hardware"), keptHardware),
		names:         subkey(key[:], "names"),
		digests:       subkey(key[:], "digests"),
		sealing:       subkey(key[:], "sealing"),
		fingerprint:   hex.EncodeToString(subkey(key[:], "fingerprint")[:8]),
		known:         map[netip.Addr]netip.Addr{},
		knownHardware: map[[hardwareSize]byte][hardwareSize]byte{},
	}
}

// subkey keeps what one use tells apart from the others.
func subkey(key []byte, use string) []byte {
	h := hmac.New(sha256.New, key)
	io.WriteString(h, "pcapaudit pseudonyms: "+use)
	return h.Sum(nil)
}

// ReadPseudonymKey reads a key file: 32 bytes, or 64 hexadecimal digits as `openssl rand -hex 32` writes them. Nobody but its owner may have
// access to it.
func ReadPseudonymKey(path string) (*Pseudonyms, error) {
	fail := func(err error) (*Pseudonyms, error) {
		return nil, fmt.Errorf("reading the key of pseudonyms %s: %w", path, plainCause(err))
	}
	f, err := os.Open(path)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	if mode := stat.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return fail(fmt.Errorf("others than its owner have access to it (mode %04o): chmod 600 it", mode.Perm()))
	}
	const longest = 2*PseudonymKeySize + 2 // with the end of its line
	content, err := io.ReadAll(io.LimitReader(f, longest+1))
	if err != nil {
		return fail(err)
	}
	key, err := parseKey(content)
	if err != nil {
		return fail(err)
	}
	return NewPseudonyms(key), nil
}

var errKey = errors.New("it holds no key: make one with openssl rand -hex 32")

func parseKey(content []byte) (key [PseudonymKeySize]byte, err error) {
	digits := bytes.TrimRight(content, "\r\n")
	switch half, hexErr := hex.DecodeString(string(digits)); {
	case hexErr == nil && len(half) == len(key):
		copy(key[:], half)
	case len(content) == len(key) && hexErr != nil: // digits alone would be half a key
		copy(key[:], content)
	default:
		return key, errKey
	}
	if bytes.Count(key[:], key[:1]) == len(key) {
		return key, errKey
	}
	return key, nil
}

// Address gives the pseudonym of an address. IPv4 in IPv6 (::ffff:0:0/96) stays that, with the pseudonym of the IPv4 address; a zone is left out.
func (p *Pseudonyms) Address(a netip.Addr) netip.Addr {
	if to, ok := p.known[a]; ok {
		return to
	}
	if len(p.known) >= maxKnownPseudonyms {
		clear(p.known)
	}
	to := p.convert(a, (*tree).forth)
	p.known[a] = to
	return to
}

// replaceHardware replaces the hardware address (MAC-48) at the beginning of b.
func (p *Pseudonyms) replaceHardware(b []byte) {
	from := [hardwareSize]byte(b)
	to, ok := p.knownHardware[from]
	if !ok {
		if len(p.knownHardware) >= maxKnownPseudonyms {
			clear(p.knownHardware)
		}
		to = from
		p.hardware.forth(to[:])
		p.knownHardware[from] = to
	}
	copy(b, to[:])
}

// Reverse gives the address of a pseudonym.
func (p *Pseudonyms) Reverse(a netip.Addr) netip.Addr { return p.convert(a, (*tree).back) }

func (p *Pseudonyms) convert(a netip.Addr, way func(*tree, []byte)) netip.Addr {
	switch {
	case a.Is4():
		b := a.As4()
		way(p.v4, b[:])
		return netip.AddrFrom4(b)
	case a.Is4In6():
		b := a.As16()
		way(p.v4, b[12:])
		return netip.AddrFrom16(b)
	case a.Is6():
		b := a.As16()
		way(p.v6, b[:])
		return netip.AddrFrom16(b)
	}
	return a
}

// Prefix gives the prefix that holds the pseudonyms of all addresses of a prefix.
func (p *Pseudonyms) Prefix(net netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(p.Address(net.Masked().Addr()), net.Bits()).Masked()
}

// Name gives the pseudonym of a name, "host-" and twelve hexadecimal digits. Upper and lower case and a dot at the end make no difference, as in DNS. What
// is an address becomes the pseudonym of that. A pseudonym does not hold its name: the way back is a list of names, see Seal.
func (p *Pseudonyms) Name(name string) string {
	if a, err := netip.ParseAddr(name); err == nil {
		return p.Address(a).String()
	}
	return p.Token("host", strings.ToLower(strings.TrimSuffix(name, ".")))
}

// Token is the pseudonym of a thing of some kind: the kind, "-" and twelve hexadecimal digits.
func (p *Pseudonyms) Token(kind, name string) string {
	h := hmac.New(sha256.New, p.names)
	io.WriteString(h, kind+"\x00"+name)
	return kind + "-" + hex.EncodeToString(h.Sum(nil)[:6])
}

// tree replaces bit strings of at most 128 bits so that common prefixes stay common: each bit is changed or not by a keyed function of those
// before it. What is kept is kept by not changing bits on the way there, which leaves the mapping one to one.
type tree struct {
	block   cipher.Block
	pad     [16]byte
	kept    []keptRange
	in, out [16]byte // of the block, at the bit in work
}

// keptRange is a prefix that is its own pseudonym; with whole all in it is as well.
type keptRange struct {
	prefix []byte
	bits   int
	whole  bool
}

func keptNet(prefix string, whole bool) keptRange {
	p := netip.MustParsePrefix(prefix)
	return keptRange{p.Addr().AsSlice(), p.Bits(), whole}
}

var (
	keptIPv4 = []keptRange{keptNet("0.0.0.0/32", true), keptNet("127.0.0.0/8", true), keptNet("169.254.0.0/16", false),
		keptNet("224.0.0.0/4", false), keptNet("224.0.0.0/24", true), keptNet("255.255.255.255/32", true)}
	// Groups with a small number on the link (ff02::/112) are those of protocols; the solicited-node groups hold a part of a host's address.
	keptIPv6 = []keptRange{keptNet("::/127", true), keptNet("::ffff:0:0/96", false), keptNet("fe80::/64", false), keptNet("ff00::/8", false),
		keptNet("ff02::/112", true), keptNet("ff02::1:ff00:0/104", false)}
	// No address, broadcast, groups of bridges, and those made of IP groups (RFC 1112, section 6.4; RFC 2464, section 7).
	keptHardware = []keptRange{{[]byte{0, 0, 0, 0, 0, 0}, 48, true}, {[]byte{255, 255, 255, 255, 255, 255}, 48, true},
		{[]byte{1, 0x80, 0xc2, 0, 0}, 40, true}, {[]byte{1, 0, 0x5e}, 25, false}, {[]byte{0x33, 0x33}, 16, false}}
)

// newTree takes the key of Crypto-PAn: 16 bytes of AES, and 16 that encrypted are the padding.
func newTree(key []byte, kept []keptRange) *tree {
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		panic(err) // the length is right
	}
	t := &tree{block: block, kept: kept}
	block.Encrypt(t.pad[:], key[16:32])
	return t
}

// forth replaces b by its pseudonym, and back a pseudonym by what it stands for.
func (t *tree) forth(b []byte) { t.walk(b, false) }
func (t *tree) back(b []byte)  { t.walk(b, true) }

func (t *tree) walk(b []byte, back bool) {
	var original, changed [16]byte
	t.in = t.pad
	copy(original[:], b)
	for i := range 8 * len(b) {
		mask := byte(0x80) >> (i % 8)
		flip := byte(0)
		if !t.keeps(original[:len(b)], i) {
			t.block.Encrypt(t.out[:], t.in[:])
			flip = t.out[0] >> 7 << (7 - i%8)
		}
		changed[i/8] |= original[i/8]&mask ^ flip
		if back { // of the original the bits before this one are known, and this one now
			original[i/8] ^= flip
		}
		t.in[i/8] = t.in[i/8]&^mask | original[i/8]&mask
	}
	copy(b, changed[:])
}

// keeps says whether bit i stays as it is, for the bits before it.
func (t *tree) keeps(original []byte, i int) bool {
	if len(original) == hardwareSize && (i == 6 || i == 7) { // who assigned it, and whether it is a group
		return true
	}
	for k := range t.kept {
		r := &t.kept[k]
		if (i < r.bits || r.whole) && samePrefix(original, r.prefix, min(i, r.bits)) {
			return true
		}
	}
	return false
}

const hardwareSize = 6

func samePrefix(a, b []byte, bits int) bool {
	whole := bits / 8
	if !bytes.Equal(a[:whole], b[:whole]) {
		return false
	}
	return bits%8 == 0 || (a[whole]^b[whole])>>(8-bits%8) == 0
}
