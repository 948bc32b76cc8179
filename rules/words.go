package rules

import (
	"maps"
	"slices"
)

// The words that keys of rule files may be. Checks, schemas and the template of a new pack read the same lists; "" is a word where a key may be empty.
var (
	kindWords        = []string{string(Vendor), string(Baseline), string(Local)}
	statusWords      = []string{string(DraftStatus), ""}
	stateWords       = []string{"on", "off", "unknown"} // of a condition
	originatorWords  = []string{"from", "either"}
	portsModeWords   = []string{"all", "alternatives"}
	announcerWords   = []string{"rpc-endpoint-mapper", "tftp", "ftp", ""}
	replyWords       = []string{"expected", "none"}
	needWords        = []string{"required", "optional", "conditional", "unstated"}
	occurrenceWords  = []string{"periodic", "once", "on-demand"}
	scopeWords       = []string{"wan", "lan", ""}
	satisfiedWords   = []string{"any", "each"}
	encryptedWords   = []string{"required", "expected", "forbidden", "unstated"}
	flowPortWords    = []string{"dynamic", "any", "unstated"}
	methodWords      = []string{"span", "tap", "host", "other"}
	translationWords = []string{"source-pat", "static", "destination", "lb-snat"}
	expectWords      = []string{"period", "not", ""}
	switchedWords    = []string{"off"}   // of an encryption that the site states
	acceptedWords    = []string{"range"} // of dynamic ports
)

// encryptionWords are what encryption_protocols may name. tls is DTLS and QUIC too; mtls is TLS with certificates of both sides.
var encryptionWords = []string{"tls", "mtls", "ssh", "smb", "ipsec"}

// protoWords are the names of protocols and further words, sorted.
func protoWords(further ...string) []string {
	return slices.Sorted(slices.Values(slices.AppendSeq(further, maps.Keys(protocols))))
}
