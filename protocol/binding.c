#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include "protocol/binding.h"

/* What the dynamic section of a loaded object says. */
struct tables {
	const ElfW(Sym) *symbols;
	const char *strings;
	/** Relocations of calls, and all others; the sizes are in bytes. */
	uintptr_t calls, others;
	size_t calls_size, others_size;
	/** Whether relocations of calls have an addend. Those of the second table do, in DT_RELA. */
	bool calls_rela;
};

/* glibc has made these addresses absolute on most machines, and not on all. */
static uintptr_t address(const struct link_map *map, ElfW(Addr) pointer) {
	return pointer < map->l_addr ? pointer + map->l_addr : pointer;
}

static void read_tables(const struct link_map *map, struct tables *tables) {
	for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		switch (entry->d_tag) {
		case DT_SYMTAB:
			tables->symbols = (const ElfW(Sym) *)address(map, entry->d_un.d_ptr);
			break;
		case DT_STRTAB:
			tables->strings = (const char *)address(map, entry->d_un.d_ptr);
			break;
		case DT_JMPREL:
			tables->calls = address(map, entry->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			tables->calls_size = entry->d_un.d_val;
			break;
		case DT_PLTREL:
			tables->calls_rela = entry->d_un.d_val == DT_RELA;
			break;
		case DT_RELA:
			tables->others = address(map, entry->d_un.d_ptr);
			break;
		case DT_RELASZ:
			tables->others_size = entry->d_un.d_val;
			break;
		}
	}
}

static size_t symbol_of(ElfW(Xword) info) {
	return sizeof(void *) == 8 ? ELF64_R_SYM(info) : ELF32_R_SYM(info);
}

static bool names(const struct tables *tables, uintptr_t table, size_t size, size_t entry_size,
		const char *name) {
	for (size_t at = 0; table != 0 && at + entry_size <= size; at += entry_size) {
		// The part that the two kinds of entries share.
		const ElfW(Rel) *entry = (const ElfW(Rel) *)(table + at);
		size_t symbol = symbol_of(entry->r_info);
		if (symbol != 0 && strcmp(tables->strings + tables->symbols[symbol].st_name, name) == 0) {
			return true;
		}
	}
	return false;
}

bool sbx_binding_is_open(const void *function, const char *name) {
	Dl_info info;
	struct tables tables = {0};
	void *object = NULL;
	if (dladdr1(function, &info, &object, RTLD_DL_LINKMAP) == 0 || object == NULL) {
		return false;
	}
	read_tables(object, &tables);
	if (tables.symbols == NULL || tables.strings == NULL) {
		return false;
	}
	return names(&tables, tables.calls, tables.calls_size,
			tables.calls_rela ? sizeof(ElfW(Rela)) : sizeof(ElfW(Rel)), name) ||
		names(&tables, tables.others, tables.others_size, sizeof(ElfW(Rela)), name);
}
