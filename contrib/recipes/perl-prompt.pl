# SPDX-License-Identifier: MIT
# Counts the words of each line of its input, the most frequent first, and prompts.
use strict;
use warnings;

print 'words> ';
while (my $line = <STDIN>) {
	my %count;
	$count{lc $_}++ for $line =~ /([A-Za-z0-9]+)/g;
	print "$count{$_} $_\n" for sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
	print 'words> ';
}
