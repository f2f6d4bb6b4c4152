# A guest that prints on its console what is typed on its keyboard. It is all of a boot sector:
#     as --32 -o t.o typewriter.s && ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o t.bin t.o
.code16
.globl _start
_start:
    mov $banner, %si
1:  lodsb
    test %al, %al
    jz next
    call put
    jmp 1b
next:
    mov $0x10, %ah          # the firmware's next key: character in al, scan code in ah
    int $0x16
    test %al, %al           # keys without a character: <scan code>
    jz special
    cmp $0xe0, %al
    je special
    cmp $0x0d, %al
    jne 3f
    mov $0x0a, %al
3:  call put
    jmp next
special:
    mov %ah, %bl
    mov $'<', %al
    call put
    mov %bl, %al
    shr $4, %al
    call hex
    mov %bl, %al
    and $15, %al
    call hex
    mov $'>', %al
    call put
    jmp next
hex:
    add $'0', %al
    cmp $'9', %al
    jbe put
    add $39, %al
put:                        # al: to the screen and to the first serial port
    mov %al, %cl
    mov $0x0e, %ah
    xor %bh, %bh
    int $0x10
    mov $0x3fd, %dx
4:  in %dx, %al
    test $0x20, %al
    jz 4b
    mov $0x3f8, %dx
    mov %cl, %al
    out %al, %dx
    ret
banner: .asciz "ready\n"
