package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// read runs the packet loop with progress, and gives its errors their exit codes.
func (u *ui) read(ctx context.Context, c capture.Config) (*capture.Result, error) {
	if c.MaxConnections < 1 {
		return nil, exitError{exitUsage, fmt.Errorf("--max-connections %d: use 1 or more", c.MaxConnections)}
	}
	update, finish := u.progress()
	c.Progress = update
	result, err := capture.Run(ctx, c)
	finish()
	var input *capture.InputError
	switch {
	case err == nil:
		return result, nil
	case errors.As(err, &input):
		return nil, exitError{exitInput, hint(err, "%s", inputAdvice(err))}
	case result == nil:
		return nil, exitError{exitUsage, err}
	case result.Balanced() != nil:
		return nil, exitError{exitLedger, err}
	}
	return nil, exitError{exitCapture, err}
}

func inputAdvice(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "correct the path"
	case errors.Is(err, fs.ErrPermission):
		return "ask for the right to read it, or run as a user who has it"
	}
	return "give a pcap or pcapng file, plain or compressed with gzip, zstd, lz4 or xz"
}

// passedOver warns about the files of directories and patterns that are no captures, and gives the warnings for the report; those of this run itself are not worth a word.
func (u *ui) passedOver(r *capture.Result, own func(path string) bool) []string {
	var warnings []string
	for _, text := range r.Skipped {
		if path, _, _ := strings.Cut(text, ": "); !own(path) {
			warnings = append(warnings, passedOver+text)
		}
	}
	if more := r.SkippedAll - len(r.Skipped); more > 0 {
		warnings = append(warnings, fmt.Sprintf(passedOver+"%d more files that are no captures", more))
	}
	for _, w := range warnings {
		u.warn("%s", w)
	}
	return warnings
}

// nothingRead is the error of an audit without a single packet from a damaged input; an empty but whole capture is no error.
func nothingRead(r *capture.Result) error {
	if r.Ledger.Read.Packets > 0 {
		return nil
	}
	for _, in := range r.Inputs {
		if in.State != capture.InputClean {
			return exitError{exitInput, fmt.Errorf("reading %s: no packet could be read: %s: %s", in.Name, in.State, in.Detail)}
		}
	}
	return nil
}

// captureFacts is what classify needs to know of the capture as a whole.
func captureFacts(r *capture.Result) classify.Capture {
	k := &r.Connections
	both := func(class capture.Class) uint64 {
		return r.Ledger.Class(class).Packets + r.Ledger.InnerClass(class).Packets
	}
	c := classify.Capture{
		Created: k.Created, Open: k.Open, Emitted: k.Emitted,
		First: r.First, Last: r.Last,
		Filtered: both(capture.Filtered), Duplicates: r.Ledger.Class(capture.Duplicate).Packets,
		Truncated: r.Ledger.Cut + both(capture.Truncated),
		Evicted:   k.Ends[flow.EndEvicted], Interrupted: r.Interrupted,
		Broken: r.Ledger.Checksums.Broken, Unfinished: r.Ledger.Unfinished(),
		HeadersCut: both(capture.Truncated), Unfollowed: k.Unfollowed,
	}
	in := &r.Inspection
	c.Inspection = classify.Inspection{Recognised: in.Recognised, Unrecognised: in.Unknown, Broken: in.Lost, Crowded: in.Crowded, FactsLost: k.Lost}
	for e, n := range k.Ends {
		c.Ends = append(c.Ends, classify.Count{Name: flow.End(e).String(), Packets: n})
	}
	for _, g := range r.Gaps {
		c.Gaps = append(c.Gaps, classify.Span{From: g.From, Until: g.To})
	}
	for i := range r.Inputs {
		in := &r.Inputs[i]
		c.Inputs = append(c.Inputs, inputFacts(in))
		c.TimeBackward += in.TimeBackwards
		c.Dropped += lost(in)
		c.Packets.Bytes += uint64(in.Read)
		c.Packets.Unread += uint64(in.Unread)
	}
	for i := range r.Live {
		c.Live = append(c.Live, watchedFacts(&r.Live[i]))
		for _, b := range r.Live[i].BlindSpans {
			c.Blind = append(c.Blind, classify.BlindSpan{Interface: r.Live[i].Name, From: b.From, To: b.To, Cause: b.Cause})
		}
	}
	if t := r.Translations; t != nil {
		c.Untold, c.Untranslated = t.Overruns, t.Overflow
	}
	warnOfCopies(c.Inputs)
	c.Packets.Read = r.Ledger.Read.Packets
	c.Unopened = r.Ledger.NoTunnel
	c.Refused = r.Ledger.Class(capture.FragmentOverlap).Packets + r.Ledger.InnerClass(capture.FragmentOverlap).Packets
	for class := range capture.Class(capture.NumClasses) {
		n, inner := r.Ledger.Class(class).Packets, r.Ledger.InnerClass(class).Packets
		if inner > 0 {
			c.Packets.Inside = append(c.Packets.Inside, classify.Count{Name: class.String(), Packets: inner})
		}
		c.Packets.Classes = append(c.Packets.Classes, classify.Count{Name: class.String(), Packets: n})
		if class != capture.Decoded && class != capture.Filtered && class != capture.Duplicate && class != capture.NonIP {
			c.Undecoded += n + inner
		}
	}
	c.Undecoded += r.Ledger.NonIP.Hiding() + r.Ledger.InnerNonIP.Hiding() + r.Ledger.Aggregated
	c.Aggregated = r.Ledger.Aggregated
	for _, o := range r.Ledger.Opaque.Sorted() {
		c.Opaque = append(c.Opaque, classify.OpaqueTunnel{A: o.A, B: o.B, Name: o.Tunnel})
	}
	c.OpaqueMore = r.Ledger.Opaque.More
	c.Packets.Detail = ledgerDetail(&r.Ledger)
	if k.Doubted > 0 {
		c.Packets.Detail = append(c.Packets.Detail, classify.Count{Name: "connections ended by a step in time of more than an hour", Packets: k.Doubted})
	}
	return c
}

func watchedFacts(l *capture.LiveInterface) classify.LiveInterface {
	return classify.LiveInterface{Name: l.Name, State: l.State.String(), Kernel: l.Kernel, Delivered: l.Delivered, Dropped: l.Dropped, Monitored: l.Monitored, Blind: l.Blind}
}

// warnOfCopies notes inputs of the same bytes: nobody captures the same packets twice, and every packet of a copy is counted again.
func warnOfCopies(inputs []classify.Input) {
	names := map[string]string{}
	for i := range inputs {
		in := &inputs[i]
		if in.SHA256 == "" {
			continue
		}
		if name, found := names[in.SHA256]; found {
			in.Warnings = append(in.Warnings, "holds the same bytes as "+name+": its packets are counted twice; give one of the two")
			continue
		}
		names[in.SHA256] = in.Name
	}
}

func ledgerDetail(l *capture.Ledger) []classify.Count {
	var detail []classify.Count
	for reason := range capture.Reason(capture.NumReasons) {
		if t := l.Reasons[reason]; t.Packets > 0 && reason.Class() != capture.Decoded {
			detail = append(detail, classify.Count{Name: reason.Class().String() + ": " + reason.String(), Packets: t.Packets})
		}
	}
	detail = append(detail, innerDetail(l)...)
	for _, kinds := range []struct {
		class capture.Class
		*capture.Kinds
	}{{capture.NonIP, &l.NonIP}, {capture.UnsupportedLink, &l.Unsupported}} {
		for _, k := range kinds.Sorted() {
			detail = append(detail, classify.Count{Name: kinds.class.String() + ": " + k.Kind.String(), Packets: k.Packets})
		}
		if kinds.Other > 0 {
			detail = append(detail, classify.Count{Name: kinds.class.String() + ": other kinds", Packets: kinds.Other})
		}
	}
	for _, d := range []classify.Count{
		{Name: "decoded: wrong checksum, no evidence", Packets: l.Checksums.Broken},
		{Name: "decoded: wrong checksum as most of the sender's, taken as evidence", Packets: l.Checksums.Doubted},
		{Name: "decoded: aggregated 802.11 frames of which only the first packet was read", Packets: l.Aggregated},
		{Name: "fragmented datagrams", Packets: l.Fragmented},
		{Name: "fragmented datagrams: refused for overlapping fragments", Packets: l.Refused},
		{Name: "fragmented datagrams: never finished", Packets: l.Unfinished()},
	} {
		if d.Packets > 0 {
			detail = append(detail, d)
		}
	}
	return detail
}

// innerDetail accounts for the packets inside tunnels, which the classes do not count: their records are counted by the outermost packet.
func innerDetail(l *capture.Ledger) []classify.Count {
	var detail []classify.Count
	for reason := range capture.Reason(capture.NumReasons) {
		if n := l.Inner[reason].Packets; n > 0 && reason.Class() != capture.Decoded {
			detail = append(detail, classify.Count{Name: "inside tunnels: " + reason.Class().String() + ": " + reason.String(), Packets: n})
		}
	}
	for _, k := range l.InnerNonIP.Sorted() {
		detail = append(detail, classify.Count{Name: "inside tunnels: non-ip: " + k.Kind.String(), Packets: k.Packets})
	}
	if l.InnerNonIP.Other > 0 {
		detail = append(detail, classify.Count{Name: "inside tunnels: non-ip: other kinds", Packets: l.InnerNonIP.Other})
	}
	if l.NoTunnel > 0 {
		detail = append(detail, classify.Count{Name: "decoded: where a tunnel may be, not opened", Packets: l.NoTunnel})
	}
	return detail
}

func inputFacts(in *capture.Input) classify.Input {
	out := classify.Input{Name: in.Name, Format: in.Format, Compression: in.Compression, Size: in.Size, Read: in.Read, Unread: in.Unread, SHA256: in.SHA256,
		Packets: in.Packets, State: in.State.String(), Detail: in.Detail, Application: in.Application, OS: in.OS, Warnings: in.Warnings}
	if in.Packets > in.BadTimes {
		out.First, out.Last = flow.Stamp(in.First), flow.Stamp(in.Last)
	}
	for _, i := range in.Interfaces {
		out.Interfaces = append(out.Interfaces, classify.Interface{Name: i.Name, LinkType: i.LinkType, SnapLen: i.Snaplen, Filter: i.Filter, Packets: i.Packets, Dropped: interfaceLost(&i)})
	}
	return out
}

// lost are the packets that an input says were lost before they reached it: interface statistics where there are any, else the notes of packet blocks.
func lost(in *capture.Input) uint64 {
	var n uint64
	for i := range in.Interfaces {
		n += interfaceLost(&in.Interfaces[i])
	}
	return max(n, in.DroppedNoted)
}

func interfaceLost(i *capture.Interface) uint64 {
	var n uint64
	for _, p := range []*uint64{i.Dropped, i.DroppedByOS} {
		if p != nil {
			n += *p
		}
	}
	return n
}
