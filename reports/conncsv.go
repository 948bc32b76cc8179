package reports

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

const (
	connColumns = "id,proto,orig_ip,orig_port,resp_ip,resp_port,icmp_type,icmp_code,originator_known_by,outcome,visibility," +
		"first,last,orig_packets,resp_packets,orig_bytes,resp_bytes,vlan,tunnel,interface,icmp_error,protocol_seen,names"
	judgedColumns = ",verdict,why,flow,match,unverified"
)

// appendConnRow appends the fields of connColumns, and for a judgement those of judgedColumns. Numbers, addresses and our own words need neither
// quotes nor cleaning.
func appendConnRow(b []byte, f *flow.Conn, j *classify.Judgement) []byte {
	b = f.ID.Append(b)
	b = append(append(append(b, ','), f.Proto.String()...), ',')
	b = appendEnd(b, f, f.Orig)
	b = appendEnd(b, f, f.Resp)
	if f.Proto.IsICMP() {
		b = strconv.AppendUint(b, uint64(f.ICMPType), 10)
		b = strconv.AppendUint(append(b, ','), uint64(f.ICMPCode), 10)
	} else {
		b = append(b, ',')
	}
	for _, word := range [...]string{f.KnownBy.String(), f.Outcome.String(), f.Visibility.String()} {
		b = append(append(b, ','), word...)
	}
	b = flow.AppendStamp(append(b, ','), f.First)
	b = flow.AppendStamp(append(b, ','), f.Last)
	for _, n := range [...]uint64{f.OrigPackets, f.RespPackets, f.OrigBytes, f.RespBytes} {
		b = strconv.AppendUint(append(b, ','), n, 10)
	}
	for i, tag := range f.VLANs {
		b = strconv.AppendUint(append(b, ",."[min(i, 1)]), uint64(tag), 10)
	}
	if len(f.VLANs) == 0 {
		b = append(b, ',')
	}
	b = appendField(append(b, ','), f.Tunnel)
	b = append(appendField(append(b, ','), f.Interface), ',')
	if f.ICMPError != flow.NoICMPError {
		b = append(b, f.ICMPError.String()...)
	}
	b = appendField(append(b, ','), protocolSeen(f))
	b = appendField(append(b, ','), strings.Join(namesOf(f, j), " "))
	if j != nil {
		b = append(append(b, ','), j.Verdict...)
		b = append(append(b, ','), strings.Join(j.Why, " ")...)
		b = appendField(append(b, ','), j.Flow)
		b = append(append(b, ','), j.Match...)
		b = append(append(b, ','), strings.Join(j.Unverified, " ")...)
	}
	return b
}

// appendEnd appends address and port, each with a comma behind.
func appendEnd(b []byte, f *flow.Conn, end netip.AddrPort) []byte {
	b = append(end.Addr().AppendTo(b), ',')
	if f.Proto.HasPorts() {
		b = strconv.AppendUint(b, uint64(end.Port()), 10)
	}
	return append(b, ',')
}

// appendField appends text from outside as one field of CSV (RFC 4180), with quotes where encoding/csv sets them.
func appendField(b []byte, s string) []byte {
	s = cleanCSV(s)
	if first, _ := utf8.DecodeRuneInString(s); !unicode.IsSpace(first) && !strings.ContainsAny(s, ",\"") && s != `\.` {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}
