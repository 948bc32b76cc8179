//go:build !linux

package capture

import (
	"context"
	"errors"
)

// Live watches interfaces. It needs the packet sockets of Linux; on other systems it is an error, and files are what can be read.
func Live(context.Context, Config, LiveConfig) (*Result, error) {
	return nil, errors.New("watching interfaces works on Linux only; write packets to a file there or here, and read that")
}

// OpenTranslations needs the connection tracking of Linux; on other systems it is an error.
func OpenTranslations() (*Translations, error) {
	return nil, errors.New("reading address translations works on Linux only")
}

// Close does nothing here.
func (t *Translations) Close() {}
