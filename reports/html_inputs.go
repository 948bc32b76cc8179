package reports

import (
	"fmt"
	"path"
	"strings"
	"time"

	"pcapaudit/classify"
)

// inputView is a capture file in the words of capinfos, so that a reviewer can hold its output beside the page.
type inputView struct {
	Number int
	Name   string
	Rows   []pairView
	Notes  []string
}

type pairView struct{ Label, Text string }

func (v *htmlView) inputs(a *classify.Audit) {
	list, more := cut(a.Inputs, htmlInputs)
	v.More.Inputs = more
	for i, in := range a.Inputs {
		live := in.Format == classify.LiveFormat
		v.Live, v.Unhashed = v.Live || live, v.Unhashed || in.SHA256 == "" && !live
		if i < len(list) {
			v.InputCards = append(v.InputCards, newInputView(i, &in))
		}
		if a.Pseudonyms != nil {
			continue // the hash is of no file
		}
		if line := checksumLine(&in); line != "" && len(v.Checksums) < htmlInputs {
			v.Checksums = append(v.Checksums, line)
		}
	}
}

func newInputView(number int, in *classify.Input) inputView {
	v := inputView{Number: number, Name: path.Base(inputName(in.Name))}
	add := func(label, text string) {
		if text != "" {
			v.Rows = append(v.Rows, pairView{label, text})
		}
	}
	add("File name", inputName(in.Name))
	add("File type", fileType(in))
	add("Number of packets", fmt.Sprint(in.Packets))
	add("File size", fmt.Sprintf("%d bytes", in.Size))
	add("Capture duration", duration(in.First, in.Last))
	add("Earliest packet time", capinfosTime(in.First))
	add("Latest packet time", capinfosTime(in.Last))
	switch {
	case in.SHA256 != "":
		add("SHA256", in.SHA256)
	case in.Format == classify.LiveFormat:
		add("SHA256", "none: watched live, nobody kept its packets")
	default:
		add("SHA256", "not computed (--hash none)")
	}
	add("Capture application", in.Application)
	add("Capture oper-sys", in.OS)
	add("Number of interfaces in file", fmt.Sprint(len(in.Interfaces)))
	faces, more := cut(in.Interfaces, htmlHosts)
	for i, f := range faces {
		add(fmt.Sprintf("Interface #%d", i), interfaceText(f))
	}
	if more > 0 {
		add("", fmt.Sprintf("and %d more interfaces", more))
	}
	state := in.State
	if in.Detail != "" {
		state += ": " + in.Detail
	}
	add("Read", fmt.Sprintf("%d of %d bytes, %s", in.Read, in.Read+in.Unread, state))
	for i := range in.Records {
		add("By the site, "+in.Records[i].For, recordText(&in.Records[i]))
	}
	v.Notes, _ = cut(in.Warnings, htmlHosts)
	return v
}

func fileType(in *classify.Input) string {
	if in.Compression == "" {
		return in.Format
	}
	return in.Format + ", compressed with " + in.Compression
}

func interfaceText(f classify.Interface) string {
	parts := []string{}
	if f.Name != "" {
		parts = append(parts, "Name = "+f.Name)
	}
	parts = append(parts, "Encapsulation = "+linkName(f.LinkType), fmt.Sprintf("Capture length = %d", f.SnapLen), fmt.Sprintf("Number of packets = %d", f.Packets))
	if f.Filter != "" {
		parts = append(parts, "Filter string = "+f.Filter)
	}
	if f.Dropped > 0 {
		parts = append(parts, fmt.Sprintf("Dropped = %d", f.Dropped))
	}
	return strings.Join(parts, "; ")
}

// linkName gives the common link types their names (the registry of link types of tcpdump.org).
func linkName(n uint16) string {
	names := map[uint16]string{0: "null/loopback", 1: "Ethernet", 9: "PPP", 101: "raw IP", 105: "IEEE 802.11", 113: "Linux cooked v1", 127: "IEEE 802.11 with radiotap", 228: "raw IPv4", 229: "raw IPv6", 276: "Linux cooked v2"}
	if name, ok := names[n]; ok {
		return fmt.Sprintf("%s (link type %d)", name, n)
	}
	return fmt.Sprintf("link type %d", n)
}

// capinfosTime is a time as capinfos prints it in UTC; what is no time stays as it is.
func capinfosTime(s string) string {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return s
	}
	return t.UTC().Format("2006-01-02 15:04:05.000000000") + " UTC"
}

func duration(first, last string) string {
	from, err := time.Parse(time.RFC3339Nano, first)
	until, err2 := time.Parse(time.RFC3339Nano, last)
	if err != nil || err2 != nil {
		return ""
	}
	return fmt.Sprintf("%.9f seconds", until.Sub(from).Seconds())
}

// checksumLine is the input as sha256sum -c reads it; "" for a name that would not survive there.
func checksumLine(in *classify.Input) string {
	line := in.SHA256 + "  " + in.Name
	if digest(in.SHA256) == "" || in.Name == "" || in.Name == "-" || strings.Contains(in.Name, `\`) || cleanHTML(line) != line {
		return ""
	}
	return line
}
