package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dump is a running capture of the bridge.
type dump struct {
	l       *lab
	cmd     *exec.Cmd
	file    string
	ended   chan string // what dumpcap said last
	packets int
}

// capture starts dumpcap on the bridge and returns when it listens. A bridge in promiscuous mode shows every frame that crosses it once.
func (l *lab) capture(file string) (*dump, error) {
	c := exec.Command("ip", "netns", "exec", l.prefix+"sw", "dumpcap", "-q", "-i", "br0", "-s", "262144", "-B", "16", "-w", file)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said, err := c.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start dumpcap: %w", err)
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start dumpcap: %w; install wireshark-common", err)
	}
	d := &dump{l: l, cmd: c, file: file, ended: make(chan string, 1)}
	ready := make(chan struct{})
	go func() {
		var all strings.Builder
		for sc := bufio.NewScanner(said); sc.Scan(); {
			all.WriteString(sc.Text() + "\n")
			if strings.HasPrefix(sc.Text(), "File: ") {
				close(ready)
			}
		}
		d.ended <- all.String()
	}()
	select {
	case <-ready:
		l.sleep(300 * time.Millisecond)
		return d, nil
	case text := <-d.ended:
		c.Wait()
		return nil, fmt.Errorf("start dumpcap: %s", strings.TrimSpace(text))
	case <-time.After(10 * time.Second):
		c.Process.Kill()
		c.Wait()
		return nil, errors.New("start dumpcap: not ready after 10 s")
	}
}

var counted = regexp.MustCompile(`Packets received/dropped on interface .*: (\d+)/(\d+) `)

// stop ends the capture after the last frames came in, and refuses one that lost frames.
func (d *dump) stop() error {
	d.l.sleep(1200 * time.Millisecond)
	d.cmd.Process.Signal(syscall.SIGINT)
	text := <-d.ended
	if err := d.cmd.Wait(); err != nil {
		return fmt.Errorf("dumpcap: %w: %s", err, strings.TrimSpace(text))
	}
	m := counted.FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("dumpcap did not count: %s", strings.TrimSpace(text))
	}
	d.packets, _ = strconv.Atoi(m[1])
	if m[2] != "0" {
		return fmt.Errorf("dumpcap dropped %s frames; record again", m[2])
	}
	return d.l.ctx.Err()
}

// publish copies a capture without what names the machine it was taken on, and puts it in place whole.
func publish(from, to string) (size int, err error) {
	data, err := os.ReadFile(from)
	if err != nil {
		return 0, fmt.Errorf("read capture: %w", err)
	}
	clean, err := anonymous(data)
	if err != nil {
		return 0, fmt.Errorf("rewrite capture: %w", err)
	}
	return len(clean), replace(to, clean)
}

// replace writes a file beside its place and renames it.
func replace(path string, data []byte) error {
	tmp := path + ".part"
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(fmt.Errorf("put %s in place: %w", path, err), os.Remove(tmp))
	}
	return nil
}

// Block types and options of pcapng (draft-ietf-opsawg-pcapng, sections 4.1 and 4.2) that name the machine.
const (
	sectionBlock, interfaceBlock                = 0x0a0d0d0a, 1
	sectionHardware, sectionOS, interfaceSystem = 2, 3, 12
)

// anonymous drops hardware and operating system from the section header and the interface description of a little-endian pcapng.
func anonymous(in []byte) ([]byte, error) {
	var out []byte
	for len(in) > 0 {
		if len(in) < 12 {
			return nil, io.ErrUnexpectedEOF
		}
		kind, size := binary.LittleEndian.Uint32(in), int(binary.LittleEndian.Uint32(in[4:]))
		if size < 12 || size > len(in) {
			return nil, fmt.Errorf("block of %d bytes: %w", size, io.ErrUnexpectedEOF)
		}
		body := in[8 : size-4]
		switch kind {
		case sectionBlock:
			body = withoutOptions(body, 16, sectionHardware, sectionOS)
		case interfaceBlock:
			body = withoutOptions(body, 8, interfaceSystem, interfaceSystem)
		}
		out = binary.LittleEndian.AppendUint32(out, kind)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(body)+12))
		out = append(out, body...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(body)+12))
		in = in[size:]
	}
	return out, nil
}

// withoutOptions copies a block's body: its fixed part, then its options but two.
func withoutOptions(body []byte, fixed int, a, b uint16) []byte {
	out := append([]byte(nil), body[:fixed]...)
	for rest := body[fixed:]; len(rest) >= 4; {
		code, n := binary.LittleEndian.Uint16(rest), int(binary.LittleEndian.Uint16(rest[2:]))
		size := min(4+(n+3)&^3, len(rest))
		if code != a && code != b {
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	}
	return out
}
