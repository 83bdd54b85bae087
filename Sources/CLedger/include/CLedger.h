#ifndef CLEDGER_H
#define CLEDGER_H
#endif
