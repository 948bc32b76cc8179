package reports

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// appendConn appends one line of the connections contract. Numbers, addresses and our own words need no escaping; everything else goes through encoding/json.
func appendConn(b []byte, f *flow.Conn, j *classify.Judgement) []byte {
	b = append(b, `{"id":"`...)
	b = f.ID.Append(b)
	b = appendWord(b, `","proto":"`, f.Proto.String())
	b = append(b, `","orig":{"ip":"`...)
	b = f.Orig.Addr().AppendTo(b)
	if f.Proto.HasPorts() {
		b = appendUint(b, `","port":`, uint64(f.Orig.Port()))
		b = append(b, `},"resp":{"ip":"`...)
		b = f.Resp.Addr().AppendTo(b)
		b = appendUint(b, `","port":`, uint64(f.Resp.Port()))
		b = append(b, '}')
	} else {
		b = append(b, `"},"resp":{"ip":"`...)
		b = f.Resp.Addr().AppendTo(b)
		b = append(b, `"}`...)
	}
	if f.Proto.IsICMP() {
		b = appendUint(b, `,"icmp_type":`, uint64(f.ICMPType))
		b = appendUint(b, `,"icmp_code":`, uint64(f.ICMPCode))
	}
	b = appendWord(b, `,"originator_known_by":"`, f.KnownBy.String())
	b = appendWord(b, `","outcome":"`, f.Outcome.String())
	b = appendWord(b, `","visibility":"`, f.Visibility.String())
	b = append(b, `","first":"`...)
	b = flow.AppendStamp(b, f.First)
	b = append(b, `","last":"`...)
	b = flow.AppendStamp(b, f.Last)
	b = appendUint(b, `","orig_packets":`, f.OrigPackets)
	b = appendUint(b, `,"resp_packets":`, f.RespPackets)
	b = appendUint(b, `,"orig_bytes":`, f.OrigBytes)
	b = appendUint(b, `,"resp_bytes":`, f.RespBytes)
	b = append(b, `,"vlan":[`...)
	for i, v := range f.VLANs {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	b = append(b, `],"tunnel":`...)
	b = appendString(b, f.Tunnel)
	b = append(b, `,"protocol_seen":`...)
	b = appendString(b, protocolSeen(f))
	b = append(b, `,"names":`...)
	b = appendStrings(b, namesOf(f, j))
	if j != nil {
		b = appendJudgement(b, j)
	}
	if f.Interface != "" {
		b = appendString(append(b, `,"interface":`...), f.Interface)
	}
	if f.ICMPError != flow.NoICMPError {
		b = append(appendWord(b, `,"icmp_error":"`, f.ICMPError.String()), '"')
	}
	return append(b, '}')
}

func appendJudgement(b []byte, j *classify.Judgement) []byte {
	b = append(b, `,"verdict":`...)
	b = appendString(b, j.Verdict)
	b = append(b, `,"why":`...)
	b = appendStrings(b, j.Why)
	b = append(b, `,"flow":`...)
	b = appendString(b, j.Flow)
	b = append(b, `,"shared_with":`...)
	b = appendStrings(b, j.SharedWith)
	b = append(b, `,"match":`...)
	b = appendString(b, j.Match)
	b = append(b, `,"unverified":`...)
	b = appendStrings(b, j.Unverified)
	if j.MatchBy != "" {
		b = appendString(append(b, `,"match_by":`...), j.MatchBy)
	}
	return b
}

// protocolSeen is the innermost protocol that was recognised.
func protocolSeen(f *flow.Conn) string {
	for i := len(f.Facts) - 1; i >= 0; i-- {
		if f.Facts[i].Kind == flow.FactProtocol {
			return f.Facts[i].Value
		}
	}
	return ""
}

// namesOf are the names of the responder; without those of a judgement the ones that the originator claims.
func namesOf(f *flow.Conn, j *classify.Judgement) []string {
	if j != nil && j.Names != nil {
		return j.Names
	}
	var names []string
	for i := range f.Facts {
		if f.Facts[i].Kind == flow.FactName && !slices.Contains(names, f.Facts[i].Value) {
			names = append(names, f.Facts[i].Value)
		}
	}
	return names
}

func appendUint(b []byte, key string, n uint64) []byte {
	return strconv.AppendUint(append(b, key...), n, 10)
}

func appendWord(b []byte, key, word string) []byte { return append(append(b, key...), word...) }

func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ']')
}

// appendString appends s as a JSON string; plain ASCII, nearly all there is, is copied.
func appendString(b []byte, s string) []byte {
	if isPlain(s) && !strings.ContainsAny(s, `"\<>&`) {
		return append(append(append(b, '"'), s...), '"')
	}
	text, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	return append(b, text...)
}
